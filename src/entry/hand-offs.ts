/** Issues are handed to the forges' own agents with the connection of whoever asked for it, and with no other. */
import { forges } from '../forges/registry.js';
import type { HandOffs } from '../jobs/agent/hand-off.js';
import type { SessionRecord } from '../jobs/agent/session-record.js';
import type { Store } from '../store/database.js';
import type { Bridge } from '../translate/bridge.js';

interface Own {
  id: string;
  status: string;
}

/** A connection of their own to that host, of a member who may still sign in. A working one goes first. */
async function ownConnection(store: Store, session: SessionRecord): Promise<Own | undefined> {
  const { requester, userId, repository, organizationId } = session;
  const { rows } = await store.tenant(organizationId, (tx) =>
    tx.query<Own>(
      `SELECT c.id, c.status FROM connection c JOIN "user" u ON u.id = c.user_id
         JOIN member m ON m.user_id = c.user_id AND m.organization_id = $5
       WHERE c.forge = $1 AND c.host = $2 AND c.kind IN ('oauth', 'pat') AND u.suspended_at IS NULL
         AND (c.provider_account_id = $3 OR ($3::text IS NULL AND c.user_id = $4))
       ORDER BY c.status <> 'active', c.kind <> 'oauth', c.created_at LIMIT 1`,
      [repository.forge, repository.host, requester?.id.toString() ?? null, userId, organizationId],
    ),
  );
  return rows[0];
}

export function handOffsOf(o: {
  store: Store;
  bridge: Pick<Bridge, 'nativeOf'>;
  publicUrl: string | undefined;
}): HandOffs {
  const agentOf = ({ repository }: SessionRecord) => {
    const agent = forges.get(repository.forge)?.agent;
    if (agent === undefined) throw new Error('a session was handed to a forge that has no agent');
    return agent;
  };
  return {
    async of(session) {
      const agent = agentOf(session);
      const { host, owner, name } = session.repository;
      const own = await ownConnection(o.store, session);
      const page = o.publicUrl === undefined ? 'the page /account of Forgeway' : new URL('/account', o.publicUrl).href;
      if (own === undefined || own.status !== 'active') {
        const why = own === undefined ? `you have none here for ${host}` : 'yours does not work any more';
        return {
          missing: `${agent.label} is asked with your own connection, since ${host} refuses the token of an App, and ${why}. Connect your account at ${page}, then comment /retry.`,
        };
      }
      const { native } = await o.bridge.nativeOf(session.organizationId, own.id);
      const issue = { owner, name, number: session.number };
      return {
        assign: (how) => agent.assign(native, issue, how),
        unassign: () => agent.unassign(native, issue),
      };
    },
    isItsWork: (session, pull) => agentOf(session).isItsWork(pull, session.number),
    isFinished: (session, pull) => agentOf(session).isFinished(pull),
  };
}
