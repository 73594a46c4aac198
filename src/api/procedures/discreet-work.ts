/** Work on connections for callers who do not run this server: an address that is refused and one that is silent look alike. */
import type { Actor } from '../../accounts/access/actor.js';
import { discreetAnswer, discreetly } from '../../accounts/connecting/discreet.js';
import { isAdministrator } from './connection-list.js';
import type { ConnectionWork, Services } from './services.js';

/** As the caller may have it done. The reason that they are not told is in the log. */
export function workFor(actor: Actor, { connections, log }: Pick<Services, 'connections' | 'log'>): ConnectionWork {
  if (isAdministrator(actor)) return connections;
  const told = (reason: string) => log.warn({ reason }, 'a forge cannot be reached; whoever asked was not told why');
  return {
    ...connections,
    connect: (...call) =>
      discreetly(
        () => connections.connect(...call),
        ({ message }) => told(message),
      ),
    serve: (...call) =>
      discreetly(
        () => connections.serve(...call),
        ({ message }) => told(message),
      ),
    test: (...call) => discreetAnswer(() => connections.test(...call), told),
    probe: (...call) => discreetAnswer(() => connections.probe(...call), told),
    installation: (...call) => discreetAnswer(() => connections.installation(...call), told),
  };
}
