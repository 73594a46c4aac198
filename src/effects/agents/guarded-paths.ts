/** Files of a repository that steer those who work on it: agents, their tools, and a forge's own pipelines. */

/** Read by agents, or run by tools that they start, without being asked. By the lower-case name of a path's part, anywhere. */
const CONFIGURATION_NAMES = new Set([
  ...['.claude', '.claude.json', 'claude.md', 'claude.local.md', '.mcp.json', 'mcp.json', '.ripgreprc'],
  ...['agent.md', '.amp', '.copilot', '.claude-plugin'],
  ...['agents.md', 'agents.override.md', '.agents', '.codex', '.cursor', '.cursorrules', '.cursorignore', '.windsurf'],
  ...['.windsurfrules', '.clinerules', '.roo', '.roorules', '.gemini', 'gemini.md', '.geminiignore'],
  ...['.opencode', 'opencode.json', 'opencode.jsonc'],
  ...['.aider.conf.yml', '.aider.model.settings.yml', '.aider.model.metadata.json', '.aiderignore', '.continue'],
  ...[
    '.amazonq',
    '.junie',
    '.kiro',
    '.kilocode',
    '.kilocodemodes',
    '.roomodes',
    '.trae',
    '.augment',
    '.augment-guidelines',
  ],
  ...[
    '.goosehints',
    '.goose',
    '.qwen',
    'qwen.md',
    '.crush',
    'crush.json',
    '.crush.json',
    'crush.md',
    'warp.md',
    '.zed',
    '.rules',
  ],
  ...['.factory', '.openhands', '.openhands_instructions', '.cursorindexingignore', '.codeiumignore', '.lfsconfig'],
  ...['.husky', '.lefthook', '.lefthook-local', '.pre-commit-config.yaml', '.gitmodules', '.gitconfig'],
  ...['yml', 'yaml', 'toml', 'json'].flatMap((ending) =>
    ['lefthook', '.lefthook', 'lefthook-local', '.lefthook-local'].map((name) => `${name}.${ending}`),
  ),
  ...[
    '.npmrc',
    '.yarnrc',
    '.yarnrc.yml',
    '.pnpmfile.cjs',
    'bunfig.toml',
    '.envrc',
    '.vscode',
    '.idea',
    '.devcontainer',
  ],
  ...['.mise.toml', 'mise.toml', '.tool-versions', '.forgeway.yml', '.env'],
]);
const COPILOT = /^\.(?:github|gitlab|gitea|forgejo)\/copilot-/;
const INSTRUCTIONS = /^\.github\/(?:instructions|prompts|agents|chatmodes|skills|hooks)\//;

const parts = (path: string): string[] => path.toLowerCase().split('/');

/** Whether a path, with slashes and from the repository's root, is one that configures agents. */
export function configuresAgents(path: string): boolean {
  const lower = path.toLowerCase();
  return COPILOT.test(lower) || INSTRUCTIONS.test(lower) || parts(path).some((part) => CONFIGURATION_NAMES.has(part));
}

const PIPELINES = [
  // A file, or a link, in the place of their folders.
  /^\.(?:github|gitea|forgejo|gitlab)$/,
  /^\.(?:github|gitea|forgejo)\/(?:workflows|actions)(?:\/|$)/,
  /^\.github\/(?:dependabot\.ya?ml|codeowners)$/,
  /^\.gitlab-ci(?:\..+)?\.ya?ml$/,
  /^\.gitlab(?:\/ci)?\/.*\.ya?ml$/,
  /^\.woodpecker(?:\/|\.ya?ml$)/,
  /^\.(?:drone|travis|cirrus|appveyor)\.(?:ya?ml|star|jsonnet)$/,
  /^\.(?:circleci|buildkite|tekton|harness)(?:\/|$)/,
  /^(?:azure-pipelines|bitbucket-pipelines|appveyor|codefresh|buildspec|cloudbuild)\.ya?ml$/,
  /^(?:docs\/)?codeowners$/,
  /^\.(?:gitlab|gitea|forgejo)\/codeowners$/,
];
const PIPELINE_NAMES = new Set(['jenkinsfile', '.forgeway.yml', '.forgeway.yaml']);

/** Whether a change of this file changes what a forge runs, or who must agree to it. */
export function steersPipelines(path: string): boolean {
  const lower = path.toLowerCase();
  return PIPELINES.some((pattern) => pattern.test(lower)) || PIPELINE_NAMES.has(parts(path).at(-1) ?? '');
}

/** Whether it says from where the forge, and whoever clones, takes the repositories within the repository. */
export const saysSubmodules = (path: string): boolean => path.toLowerCase() === '.gitmodules';
