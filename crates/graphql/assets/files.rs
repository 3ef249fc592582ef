//! What GraphiQL is made of. Written by scripts/build-graphiql.

use super::Asset;

pub(super) static FILES: &[Asset] = &[
    Asset {
        name: "react-d949f1c3687a.js",
        media: "text/javascript; charset=utf-8",
        gzip: include_bytes!("react-d949f1c3687a.js.gz"),
    },
    Asset {
        name: "react-dom-35f4f974f4b2.js",
        media: "text/javascript; charset=utf-8",
        gzip: include_bytes!("react-dom-35f4f974f4b2.js.gz"),
    },
    Asset {
        name: "graphiql-e3c4e99333c0.js",
        media: "text/javascript; charset=utf-8",
        gzip: include_bytes!("graphiql-e3c4e99333c0.js.gz"),
    },
    Asset {
        name: "graphiql-42f6189591b8.css",
        media: "text/css; charset=utf-8",
        gzip: include_bytes!("graphiql-42f6189591b8.css.gz"),
    },
    Asset {
        name: "start-e005a830b142.js",
        media: "text/javascript; charset=utf-8",
        gzip: include_bytes!("start-e005a830b142.js.gz"),
    },
];
