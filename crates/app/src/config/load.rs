//! From texts to a [`Loaded`] configuration: merge, expand, resolve, read, check.
//!
//! Nothing is contacted; files named by `file:///` values are read. Everything wrong is reported at once.
//! Invariant: a `Loaded` never changes.

use std::path::PathBuf;

use ferrobase_base::config::overlay;
use ferrobase_base::config::reference::{Described, Reference};
use ferrobase_base::config::{
    ConfigErrors, Fault, Node, Place, Problem, Reader, Report, Section as _, Value, expand, yaml,
};

use super::environment::RESERVED;
use super::file::ConfigFile;
use super::services::TenantSection;
use super::{Config, Environment, readiness, secrets};

/// Everything that a configuration is made from, weakest first.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The command that runs and what it chooses unless the user says otherwise: dotted key and value.
    pub command: (&'static str, Vec<(&'static str, String)>),
    /// The file, if there is one.
    pub file: Option<ConfigFile>,
    /// The environment: settings, and what `${VAR}` stands for.
    pub environment: Environment,
    /// Flags of the command line that are settings.
    pub flags: Vec<Flag>,
}

impl Sources {
    /// The same sources with the file as it is now; a file that appeared since is found.
    ///
    /// # Errors
    /// The file cannot be read any more.
    pub fn reread(&self) -> Result<Self, ConfigErrors> {
        let named = self.file.as_ref().map(|file| file.path.as_path());
        Ok(Self { file: super::file::find(named, &self.environment)?, ..self.clone() })
    }
}

/// A flag that sets a key.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Dotted key, `server.port`.
    pub key: &'static str,
    /// As the user types it, `--port`.
    pub flag: String,
    /// The value.
    pub text: String,
}

/// A configuration that is right, and where it came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// What was written, with places; never shown to anybody as it stands, because secrets are in it.
    pub(crate) tree: Node,
    /// What is odd but harmless.
    pub warnings: Vec<Problem>,
    /// The file that was read.
    pub file: Option<PathBuf>,
}

/// Loads a configuration.
///
/// # Errors
/// Everything that is wrong: unknown keys, bad values, missing variables and secrets, keys that contradict each other.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
    let (mut tree, mut problems, mut warnings) = merge(sources)?;
    problems.extend(secrets::resolve(&mut tree));
    let (config, misread) = Reader::read::<Config>(&tree);
    problems.extend(misread.into_iter().map(suggest_elsewhere));
    let mut report = Report::new(&tree);
    check(&config, &mut report);
    let (refused, odd) = report.finish();
    // Where reading failed there are defaults, and comparing those would only confuse.
    let misread: Vec<String> = problems.iter().map(|problem| section_of(problem).to_owned()).collect();
    problems
        .extend(refused.into_iter().filter(|problem| !misread.iter().any(|section| section == section_of(problem))));
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    warnings.extend(odd);
    warnings.extend(readiness::unbuilt_warnings(&tree));
    Ok(Loaded { config, tree, warnings, file: sources.file.as_ref().map(|file| file.path.clone()) })
}

/// One tree of all sources, with problems and warnings met on the way.
fn merge(sources: &Sources) -> Result<(Node, Vec<Problem>, Vec<Problem>), ConfigErrors> {
    let (command, choices) = &sources.command;
    let mut tree = overlay::command(command, choices.iter().map(|(key, text)| (*key, text.as_str())));
    let mut problems = unreadable_variables(&sources.environment);
    if let Some(file) = &sources.file {
        let mut below = yaml::parse(&file.text, &file.path.display().to_string()).map_err(ConfigErrors)?;
        let variable = |name: &str| sources.environment.get(name).map(str::to_owned);
        problems.extend(expand::expand(&mut below, &variable));
        if !matches!(below.value, Value::Map(_) | Value::Empty | Value::Null) {
            let fault = Fault::Syntax("the file must hold keys: `server:`, `database:`, ...".to_owned());
            return Err(Problem { key: String::new(), place: below.place, fault }.into());
        }
        tree.merge(below);
    }
    let (above, mistaken, warnings) = overlay::environment(sources.environment.iter(), &Config::names(), RESERVED);
    problems.extend(mistaken);
    tree.merge(above);
    tree.merge(overlay::flags(sources.flags.iter().map(|flag| (flag.key, flag.flag.as_str(), flag.text.as_str()))));
    Ok((tree, problems, warnings))
}

/// What each section finds when it compares its keys.
fn check(config: &Config, report: &mut Report<'_>) {
    config.server.check(report.section("server"));
    config.database.check(report.section("database"));
    config.rest.check(report.section("rest"));
    config.auth.check(report.section("auth"));
    config.storage.check(report.section("storage"));
    config.observability.check(report.section("observability"));
    config.security.check(report.section("security"));
    config.secrets.check(report.section("secrets"));
    if let Some(redis) = &config.redis {
        redis.check(report.section("redis"));
    }
    TenantSection::check_all(&config.tenants, report.section(""));
}

fn unreadable_variables(environment: &Environment) -> Vec<Problem> {
    let problem = |name: &String| Problem {
        key: String::new(),
        place: Place::Environment(name.as_str().into()),
        fault: Fault::Refused("its value is not UTF-8 text".to_owned()),
    };
    environment.unreadable().iter().map(problem).collect()
}

fn section_of(problem: &Problem) -> &str {
    problem.key.split(['.', '[']).next().unwrap_or_default()
}

/// A key that looks like none of its neighbours may be at home in another section.
fn suggest_elsewhere(problem: Problem) -> Problem {
    let Problem { key, place, fault: Fault::UnknownKey { nearest: None } } = problem else { return problem };
    let last = key.rsplit('.').next().unwrap_or_default();
    let nearest = Reference::of::<Config>()
        .entries()
        .iter()
        .map(|entry| match entry {
            Described::Group { path, .. } => path,
            Described::Key(key) => &key.path,
        })
        .find(|path| path.rsplit('.').next() == Some(last))
        .cloned();
    Problem { key, place, fault: Fault::UnknownKey { nearest } }
}
