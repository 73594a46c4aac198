/** Everything that may be done, and what it takes: the one table behind every endpoint and every command. */
import type { PermissionLevel } from '../permissions.js';
import type { Scope } from './actor.js';
import type { Role } from './roles.js';

export interface ActionRule {
  /** One sentence for a person, ending the question “who may …”. */
  means: string;
  /** Least role in the organization. */
  role: Role;
  /** What a token needs among its scopes. */
  scope: Scope;
  /** Least right in the repository for somebody on a forge; absent: not to be had from there. */
  forge?: PermissionLevel;
  /** Belongs to the installation of Forgeway and to no organization: for its administrators. */
  platform?: true;
  /** Said of a person's own things, which their owner may always do. */
  own?: true;
}

const rule = (role: Role, scope: Scope, means: string, more: Partial<ActionRule> = {}): ActionRule => ({
  role,
  scope,
  means,
  ...more,
});

export const actions = {
  'organization.read': rule('viewer', 'read', 'see an organization and who belongs to it'),
  'organization.manage': rule('admin', 'manage', 'change an organization, its mappings of roles and its sign-up'),
  'member.manage': rule('admin', 'manage', 'invite people, change their roles and remove them'),
  'owner.manage': rule('owner', 'manage', 'make somebody an owner, or no longer one'),
  'token.manage': rule('admin', 'manage', 'make and revoke tokens of an organization'),
  'own-token.manage': rule('viewer', 'manage', 'make and revoke tokens of their own', { own: true }),
  'audit.read': rule('admin', 'read', 'read the audit trail'),
  'connection.read': rule('viewer', 'read', 'see which forges are connected', { own: true }),
  'connection.manage': rule('admin', 'manage', 'connect a forge for an organization, change it or take it away', {
    own: true,
  }),
  'repository.read': rule('viewer', 'read', 'see repositories', { forge: 'read' }),
  'repository.manage': rule('maintainer', 'manage', 'choose which connection and which apps serve a repository'),
  'pull-request.read': rule('viewer', 'read', 'see pull requests', { forge: 'read' }),
  'pull-request.write': rule('member', 'run', 'comment on, change and merge pull requests', { forge: 'write' }),
  'check-run.write': rule('member', 'run', 'press the buttons of check runs, and have them run again', {
    forge: 'write',
  }),
  'issue.read': rule('viewer', 'read', 'see issues', { forge: 'read' }),
  'issue.write': rule('member', 'run', 'open, comment on and change issues', { forge: 'triage' }),
  'delivery.read': rule('maintainer', 'read', 'see deliveries and what became of them'),
  'delivery.replay': rule('maintainer', 'run', 'have deliveries run again'),
  'run.hold': rule('maintainer', 'run', 'pause and resume'),
  'preview.read': rule('viewer', 'read', 'see previews and their logs', { forge: 'read' }),
  'preview.write': rule('member', 'run', 'start, rebuild and remove previews', { forge: 'write' }),
  'preview-secret.read': rule('maintainer', 'read', 'see the names of the secrets that previews are given'),
  'preview-secret.manage': rule('maintainer', 'manage', 'set and delete the secrets that previews are given'),
  'workspace.read': rule('viewer', 'read', 'see workspaces, their runs, plans and logs', { forge: 'read' }),
  'workspace.manage': rule('maintainer', 'manage', 'make, link, change and remove workspaces and their variables'),
  'workspace.grant': rule('admin', 'manage', 'say what teams may do in a workspace'),
  'run.plan': rule('member', 'run', 'have a workspace planned', { forge: 'write' }),
  'run.apply': rule('admin', 'run', 'confirm, discard and cancel runs, and unlock what others have locked', {
    forge: 'admin',
  }),
  'state.read': rule('maintainer', 'run', 'read the state of a workspace, which holds secrets'),
  'state.write': rule('admin', 'run', 'put another state in the place of a workspace’s'),
  'untrusted.approve': rule('maintainer', 'run', 'let code of strangers run, for one commit', { forge: 'maintain' }),
  'agent.read': rule('viewer', 'read', 'see what agents do', { forge: 'read' }),
  'agent.assign': rule('member', 'run', 'have agents work, answer them and stop them', { forge: 'write' }),
  'event.read': rule('viewer', 'read', 'follow what happens'),
  'platform.read': rule('owner', 'read', 'see the settings of this installation', { platform: true }),
  'platform.manage': rule('owner', 'manage', 'register Apps and sign-in clients, and set who may sign up', {
    platform: true,
  }),
} as const satisfies Record<string, ActionRule>;

export type Action = keyof typeof actions;
export const actionNames = Object.keys(actions) as Action[];
