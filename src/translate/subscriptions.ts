import type { Probot } from 'probot';

/** What one app listens to. */
export interface Subscriptions {
  /** The Probot to hand to the app: the real one, whose listeners are noted as they are added. */
  recording(probot: Probot): Probot;
  has(eventName: string, action: string | undefined): boolean;
  /** As the app wrote them, such as `issues.opened`, in alphabetical order; {@link ANY} for every event. */
  list(): readonly string[];
}

export const ANY = '*';

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
      return (name: string | readonly string[], listener: never) => {
        for (const one of typeof name === 'string' ? [name] : name) names.add(one);
        target.on(name as never, listener);
      };
    if (property === 'onAny')
      return (listener: never) => {
        names.add(ANY);
        target.onAny(listener);
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
