import type { Probot } from 'probot';
import { notAnError } from './failures.js';

/** What one app listens to. */
export interface Subscriptions {
  /** The Probot to hand to the app: the real one, whose listeners are noted as they are added. */
  recording(probot: Probot): Probot;
  has(eventName: string, action: string | undefined): boolean;
  /** As the app wrote them, such as `issues.opened`, in alphabetical order; {@link ANY} for every event. */
  list(): readonly string[];
}

export const ANY = '*';

type Listener = (...of: unknown[]) => unknown;

/** Octokit attaches the event to whatever a listener throws, and stumbles over what is no object: nobody learns then what it was. */
function throwingObjects(listener: Listener): Listener {
  return async (...of) => {
    try {
      return await listener(...of);
    } catch (error) {
      if (typeof error === 'object' && error !== null) throw error;
      throw notAnError(error);
    }
  };
}

/** Bound to the real object, since Probot keeps its state in private fields that a proxy does not have. */
function passThrough<T extends object>(target: T, override: (property: string | symbol) => unknown): T {
  return new Proxy(target, {
    get(_proxied, property) {
      const own = override(property);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

export function createSubscriptions(): Subscriptions {
  const names = new Set<string>();

  /** `on` and `onAny`, of Probot and of its webhooks alike. */
  const listeners = (target: Pick<Probot, 'on' | 'onAny'>) => (property: string | symbol) => {
    if (property === 'on')
      return (name: string | readonly string[], listener: Listener) => {
        if (typeof listener !== 'function')
          throw new TypeError(`on(${JSON.stringify(name)}) takes a function, and was given ${typeof listener}`);
        if (typeof name !== 'string' && !Array.isArray(name))
          throw new TypeError(`on() takes the name of an event or a list of them, and was given ${typeof name}`);
        for (const one of typeof name === 'string' ? [name] : name) names.add(one);
        target.on(name as never, throwingObjects(listener) as never);
      };
    if (property === 'onAny')
      return (listener: Listener) => {
        names.add(ANY);
        target.onAny(throwingObjects(listener) as never);
      };
    return undefined;
  };

  return {
    recording(probot) {
      const ofProbot = listeners(probot);
      const webhooks = () => passThrough(probot.webhooks, listeners(probot.webhooks));
      return passThrough(probot, (property) => (property === 'webhooks' ? webhooks() : ofProbot(property)));
    },
    has: (eventName, action) =>
      names.has(ANY) || names.has(eventName) || (action !== undefined && names.has(`${eventName}.${action}`)),
    list: () => [...names].sort(),
  };
}
