/** Which places of a payload anybody reads: there a change can do harm, and elsewhere it mostly cannot. */
import type { JsonObject } from '../../src/forges/forge.js';
import type { Fixture, Subject } from '../conformance/forge/subjects.js';
import { type Path, type Place, placesOf } from './mutation.js';
import { survives } from './survive.js';

/** `payload`, with every key that is read from it noted as the JSON text of its path. */
function watched(payload: JsonObject, noted: Set<string>): JsonObject {
  const wrap = (value: object, path: Path): object => {
    // Whoever goes through all keys copies or hashes the whole, and is not meant.
    let isListed = false;
    return new Proxy(value, {
      ownKeys(target) {
        isListed = true;
        return Reflect.ownKeys(target);
      },
      get(target, key, receiver) {
        const inner: unknown = Reflect.get(target, key, receiver);
        if (typeof key === 'symbol' || !Object.hasOwn(target, key)) return inner;
        const at = [...path, Array.isArray(target) ? Number(key) : key];
        if (!isListed) noted.add(JSON.stringify(at));
        return typeof inner === 'object' && inner !== null ? wrap(inner, at) : inner;
      },
    });
  };
  return wrap(payload, []) as JsonObject;
}

/** The places that are read when this fixture is classified and translated. */
export async function readPlaces(subject: Subject, fixture: Fixture): Promise<Place[]> {
  const noted = new Set<string>();
  const { eventType, payload, previous } = fixture;
  await survives(subject, eventType, watched(payload, noted), { ...(previous && { previous }) });
  return placesOf(payload).filter(({ path }) => noted.has(JSON.stringify(path)));
}
