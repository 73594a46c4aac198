/**
 * The port to our own inbox, for what a forge neither sends nor lists: events that apps cause by what they write through us,
 * and what arrived at a webhook of ours.
 */
import type { EventSupport, ForgeDescriptor, JsonObject } from '../forge.js';
import type { RouteContext } from './route.js';
import { user } from './shapes/account.js';

/** An event in GitHub's shape; which installation hears it is added where it is told. */
export interface OwnEvent {
  /** GitHub's name. */
  name: string;
  /** The same for the same happening: told again, it changes nothing. */
  key: string;
  payload: JsonObject;
  /** The one app that hears of it; absent: all that listen. */
  app?: string;
}

export interface ReceivedDelivery {
  id: bigint;
  /** The forge's own id of it. */
  key: string;
  /** The forge's name of the event. */
  eventType: string;
  action: string | null;
  repositoryId: bigint | null;
  receivedAt: Date;
}

export interface InboxPort {
  /** Puts events into the inbox, in their order: apps that listen are run on them like on any other. */
  tell(events: readonly OwnEvent[]): Promise<void>;
  /** The newest first; undefined where the webhook with this id of the forge's is none of ours. */
  deliveriesOf(
    hookId: string,
    page: { page: number; perPage: number },
  ): Promise<{ deliveries: readonly ReceivedDelivery[]; next: boolean } | undefined>;
}

/** Tells one event about a repository as GitHub tells it, by the account of the connection. */
export async function tellAbout(
  context: RouteContext,
  place: { owner: string | undefined; repo: string | undefined },
  event: { name: string; key: string; fields: JsonObject },
): Promise<void> {
  const { inbox, account, base } = context;
  if (inbox === undefined) return;
  const read = (await context.github('GET /repos/{owner}/{repo}', place)) as JsonObject;
  const { organization } = read;
  // The API answers an account here, and a webhook its name.
  const login = typeof organization === 'object' && organization !== null && Reflect.get(organization, 'login');
  const repository = typeof login === 'string' ? { ...read, organization: login } : read;
  const sender = user(base, { id: account.id.toString(), login: account.login });
  await inbox.tell([{ name: event.name, key: event.key, payload: { ...event.fields, repository, sender } }]);
}

const ofConnections = { support: 'emulated', note: 'Told by Forgeway: a connection is an installation.' } as const;

/** On every forge whose requests are translated, whatever it sends. */
const toldEverywhere: EventSupport = {
  'installation.created': ofConnections,
  'installation.deleted': ofConnections,
  'installation_repositories.added': ofConnections,
  'installation_repositories.removed': ofConnections,
  repository_dispatch: {
    support: 'emulated',
    note: 'Told by Forgeway when an app asks for it through Forgeway; the forge itself has no such event.',
  },
};

const BUTTON =
  'Told by Forgeway when somebody who may write in the repository presses the button on the page of the check run: to the app that made it, or to all that listen where it was made by no app on an event.';

/** Where check runs are kept by us. */
const ofChecks: EventSupport = {
  'check_run.requested_action': { support: 'emulated', note: BUTTON },
  'check_run.rerequested': { support: 'emulated', note: BUTTON },
};

/** All that apps are told on a forge, whoever tells it; undefined on one that gives every event of GitHub's. */
export const eventsTold = ({ eventSupport, ownEvents, routes }: ForgeDescriptor): EventSupport | undefined =>
  eventSupport && {
    ...(routes && toldEverywhere),
    ...(routes?.['POST /repos/{owner}/{repo}/check-runs'] && ofChecks),
    ...ownEvents,
    ...eventSupport,
  };
