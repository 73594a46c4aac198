/**
 * Who may call what. Written by hand from what the design says and not from the code: an endpoint that is missing here fails
 * the build. Columns are the callers of the rig, in their order.
 */
import type { TenantIds } from './api-rig.js';

/** anonymous stranger viewer member maintainer admin owner suspended read-token run-token machine other-owner */
const expected = (row: string): string[] => row.trim().split(/\s+/);
const read = expected('            401 404 ok  ok  ok  ok  ok  403 ok  403 ok  404');
const readAsMaintainer = expected('401 404 403 403 ok  ok  ok  403 ok  403 403 404');
const runAsMember = expected('     401 404 403 ok  ok  ok  ok  403 403 ok  ok  404');
const runAsMaintainer = expected(' 401 404 403 403 ok  ok  ok  403 403 ok  403 404');
const manageAsAdmin = expected('   401 404 403 403 403 ok  ok  403 403 403 403 404');
/** Looking, so a token for reading will do. */
const trailAsAdmin = expected('    401 404 403 403 403 ok  ok  403 ok  403 403 404');
const manageAsMaintainer = expected('401 404 403 403 ok ok  ok  403 403 403 403 404');
/** About the caller's own: everybody who is known has some. */
const own = expected('             401 ok  ok  ok  ok  ok  ok  403 403 403 403 ok');
/** A token of somebody else is not there. */
const ownOfOwner = expected('      401 404 404 404 404 404 ok  403 403 403 403 404');
const anybodyKnown = expected('    401 ok  ok  ok  ok  ok  ok  403 ok  ok  ok  ok');
const everybody = expected('       ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok  ok');

export interface Expectation {
  expected: string[];
  /** A valid input, with these ids. */
  input(ids: TenantIds): Record<string, unknown>;
}

const on = (row: string[], input: Expectation['input'] = () => ({})): Expectation => ({ expected: row, input });
const sha = 'a'.repeat(40);

/** By the name of the procedure. */
export const procedures: Readonly<Record<string, Expectation>> = {
  'connections.listConnections': on(read),
  'connections.getConnection': on(read, ({ connection: id }) => ({ id })),
  'connections.connectPat': on(manageAsAdmin, () => ({ forge: 'gitlab', token: 'glpat-0123456789' })),
  'connections.listOAuthInstances': on(read),
  'connections.connectOAuth': on(manageAsAdmin, () => ({ instance: 'gitea-git.example.com' })),
  'connections.serveRepositories': on(manageAsAdmin, ({ connection: id }) => ({ id, repositories: ['acme/shop'] })),
  'connections.disconnect': on(manageAsAdmin, ({ connection: id }) => ({ id })),
  'connections.testConnection': on(manageAsAdmin, ({ connection: id }) => ({ id })),
  'connections.setDefaultForRepo': on(manageAsMaintainer, ({ repository: repositoryId, connection: connectionId }) => ({
    repositoryId,
    connectionId,
  })),
  'repository.list': on(read, ({ connection: connectionId }) => ({ connectionId })),
  'repository.installState': on(read),
  'repository.get': on(read, ({ repository: id }) => ({ id })),
  'pullRequest.listByRepository': on(read, ({ repository: repositoryId }) => ({ repositoryId })),
  'pullRequest.listBySession': on(read, ({ session: sessionId }) => ({ sessionId })),
  'pullRequest.get': on(read, ({ pullRequest: id }) => ({ id })),
  'pullRequest.listCommits': on(read, ({ pullRequest: id }) => ({ id })),
  'pullRequest.syncCommits': on(runAsMember, ({ pullRequest: id }) => ({ id })),
  'pullRequest.linkToKanbangerTask': on(runAsMember, ({ pullRequest: id }) => ({ id, kanbangerTaskId: 'KAN-1' })),
  'pullRequest.comment': on(runAsMember, ({ pullRequest: id }) => ({ id, body: 'hello' })),
  'pullRequest.update': on(runAsMember, ({ pullRequest: id }) => ({ id, state: 'closed' })),
  'pullRequest.approve': on(runAsMember, ({ pullRequest: id }) => ({ id, sha })),
  'pullRequest.createDraftPr': on(runAsMember, ({ repository: repositoryId }) => ({
    ...{ repositoryId, headBranch: 'topic', title: 'A topic' },
  })),
  'pullRequest.pushAndCreatePr': on(runAsMember, ({ pushedSession: sessionId }) => ({ sessionId })),
  'pullRequest.close': on(runAsMember, ({ pullRequest: id }) => ({ id })),
  'pullRequest.reopen': on(runAsMember, ({ pullRequest: id }) => ({ id })),
  'pullRequest.requestChanges': on(runAsMember, ({ pullRequest: id }) => ({ id, body: 'Please rename it.' })),
  'pullRequest.merge': on(runAsMember, ({ pullRequest: id }) => ({ id, sha })),
  'issue.list': on(read, ({ repository: repositoryId }) => ({ repositoryId })),
  'issue.get': on(read, ({ issue: id }) => ({ id })),
  'issue.comment': on(runAsMember, ({ issue: id }) => ({ id, body: 'hello' })),
  'issue.update': on(runAsMember, ({ issue: id }) => ({ id, state: 'closed' })),
  'delivery.list': on(readAsMaintainer, ({ repository: repositoryId }) => ({ repositoryId })),
  'delivery.get': on(readAsMaintainer, ({ delivery: id }) => ({ id })),
  'delivery.replay': on(runAsMaintainer, ({ delivery: id }) => ({ id })),
  'preview.list': on(read, ({ repository: repositoryId, pullRequest: pullRequestId }) => ({
    repositoryId,
    pullRequestId,
  })),
  'preview.get': on(read, ({ preview: id }) => ({ id })),
  'preview.logs': on(read, ({ preview: id }) => ({ id })),
  // Built again first: one that was removed can neither be woken nor put to sleep.
  'preview.rebuild': on(runAsMember, ({ preview: id }) => ({ id })),
  'preview.wake': on(runAsMember, ({ preview: id }) => ({ id })),
  'preview.sleep': on(runAsMember, ({ preview: id }) => ({ id })),
  'preview.delete': on(runAsMember, ({ preview: id }) => ({ id })),
  'previewSecret.list': on(readAsMaintainer, ({ repository: repositoryId }) => ({ repositoryId })),
  'previewSecret.set': on(manageAsMaintainer, () => ({ name: 'TOKEN_OF_PREVIEWS', value: 'x' })),
  'previewSecret.delete': on(manageAsMaintainer, ({ previewSecret: id }) => ({ id })),
  'session.list': on(read, ({ repository: repositoryId }) => ({ repositoryId })),
  'session.get': on(read, ({ session: id }) => ({ id })),
  'session.events': on(read, ({ session: id }) => ({ id })),
  'session.conversation': on(read, ({ session: id }) => ({ id })),
  'session.worktrees': on(read, ({ session: id }) => ({ id })),
  'session.reply': on(runAsMember, ({ session: id }) => ({ id, text: 'yes' })),
  'session.retry': on(runAsMember, ({ otherSession: id }) => ({ id })),
  'session.cancel': on(runAsMember, ({ otherSession: id }) => ({ id })),
  'session.assign': on(runAsMember, ({ pullRequest: pullRequestId }) => ({ pullRequestId })),
  'token.list': on(manageAsAdmin),
  'token.create': on(manageAsAdmin, () => ({ kind: 'machine', role: 'viewer', name: 'ci', scopes: ['read'] })),
  'token.revoke': on(manageAsAdmin, ({ token: id }) => ({ id })),
  'token.listOwn': on(own),
  'token.createOwn': on(own, () => ({ name: 'mine', scopes: ['read'] })),
  'token.revokeOwn': on(ownOfOwner, ({ ownToken: id }) => ({ id })),
  'organization.list': on(anybodyKnown),
  'organization.get': on(read),
  'organization.listMembers': on(read),
  'audit.listDecisions': on(trailAsAdmin),
};

/** Routes that are no procedure's; `input` is the body. */
export const routes: Readonly<Record<string, Expectation>> = {
  'GET /openapi.json': on(everybody),
  'GET /api/docs': on(everybody),
  'GET /api/events': on(read),
  // Looking, yet at everything, with what deliveries said.
  'GET /api/v1/connections/:id/export': on(manageAsAdmin),
  'GET /api/v1/previews/:preview/logs/stream': on(read),
  'GET /api/v2/organizations/:organization/vcs-connections': on(read),
  'POST /api/v2/organizations/:organization/vcs-connections': on(manageAsAdmin, () => ({
    data: {
      type: 'vcs-connections',
      attributes: { name: 'new', provider: 'gitlab', 'server-url': 'https://new.example', token: 'glpat-0123456789' },
    },
  })),
  'GET /api/v2/vcs-connections/:id': on(read),
  'PATCH /api/v2/vcs-connections/:id': on(manageAsAdmin, () => ({
    data: { type: 'vcs-connections', attributes: { name: 'other' } },
  })),
  'DELETE /api/v2/vcs-connections/:id': on(manageAsAdmin),
};
