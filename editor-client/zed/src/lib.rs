//! Tells Zed how to start the bitlens language server, the one on the user's PATH, and what settings it has.

use zed_extension_api::{
    self as zed,
    serde_json::{json, Value},
    settings::LspSettings,
    LanguageServerId, Result,
};

struct Bitlens;

impl zed::Extension for Bitlens {
    fn new() -> Self {
        Bitlens
    }

    fn language_server_command(
        &mut self,
        _: &LanguageServerId,
        worktree: &zed::Worktree,
    ) -> Result<zed::Command> {
        let command = worktree
            .which("bitlens")
            .ok_or("bitlens is not on the PATH; install it with pip")?;
        Ok(zed::Command {
            command,
            args: vec!["server".into()],
            env: worktree.shell_env(),
        })
    }

    fn language_server_workspace_configuration(
        &mut self,
        id: &LanguageServerId,
        worktree: &zed::Worktree,
    ) -> Result<Option<Value>> {
        let settings = LspSettings::for_worktree(id.as_ref(), worktree)?.settings;
        Ok(settings.map(|settings| json!({ "bitlens": settings })))
    }
}

zed::register_extension!(Bitlens);
