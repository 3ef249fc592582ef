//! `ferrobase init`: makes what is missing, touches nothing that exists.

use std::fs;

use crate::dev::project::Project;

#[test]
fn it_makes_a_project_once() {
    let project = Project::empty();
    let first = project.run(&["init"]);
    assert_eq!(
        first.err,
        "created ferrobase.yaml\ncreated ferrobase/migrations/0001_todos.sql\ncreated ferrobase/seed.sql\n\
         next: ferrobase dev\n"
    );
    first.succeeds();
    assert!(project.run(&["config", "check"]).out.starts_with("ferrobase.yaml is valid\n"));

    project.write("ferrobase.yaml", "rest:\n  schemas: [api]\n");
    project.write("ferrobase/seed.sql", "select 1;\n");
    fs::rename(project.file("ferrobase/migrations/0001_todos.sql"), project.file("ferrobase/migrations/0001_mine.sql"))
        .unwrap();
    let again = project.run(&["init"]);
    assert_eq!(
        again.err,
        "kept    ferrobase.yaml\nkept    ferrobase/migrations\nkept    ferrobase/seed.sql\nnext: ferrobase dev\n"
    );
    again.succeeds();
    assert_eq!(fs::read_to_string(project.file("ferrobase.yaml")).unwrap(), "rest:\n  schemas: [api]\n");
    assert_eq!(fs::read_to_string(project.file("ferrobase/seed.sql")).unwrap(), "select 1;\n");
    assert_eq!(fs::read_dir(project.file("ferrobase/migrations")).unwrap().count(), 1);
}

#[test]
fn another_folder_is_made_and_named() {
    let project = Project::empty();
    let ran = project.run(&["init", "apps/shop"]);
    assert!(ran.err.ends_with("next: cd apps/shop && ferrobase dev\n"), "{}", ran.err);
    assert!(project.file("apps/shop/ferrobase/seed.sql").exists());
}
