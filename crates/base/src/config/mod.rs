//! How settings are parsed: a tree with places, a strict reader, sections that document themselves.
