/** Which preview a host name belongs to, for the gateway; and what the gateway tells us back: opened, wake. */
import { type Upstream, upstreamOf } from '../../effects/gateway/upstream.js';
import type { Store } from '../../store/database.js';
import type { JobQueue } from '../queue/queue.js';
import { organizationIds } from './capacity.js';
import { askPreview } from './desired.js';
import type { DriverName, Place } from './driver.js';
import { previewOfHost, serviceOfHost, workloadName } from './kubernetes/manifests/manifests.js';
import { isPreviewName } from './name.js';
import { placesOf } from './preview-record.js';
import type { Phase } from './state.js';

export interface PreviewRoute {
  id: string;
  organizationId: string;
  name: string;
  phase: Phase | 'pending';
  /** Set while something answers there, whatever the phase: an older commit serves while a newer one is built. */
  upstream: Upstream | null;
  /** Only visitors with a signed link may see it. */
  private: boolean;
  /** Strangers' code, which has a domain of its own. */
  stranger: boolean;
  /** For the visitor, when there is nothing to serve. */
  message: string | null;
}

export interface PreviewRoutes {
  /** Undefined when no preview has this name. May be a moment old. */
  find(name: string): Promise<PreviewRoute | undefined>;
  /** A visitor came; written down at most once a minute. What is about to fall asleep is awake again. */
  opened(route: PreviewRoute): Promise<void>;
  /** Wakes it when it sleeps. */
  wake(route: PreviewRoute): Promise<void>;
}

interface Row {
  id: string;
  phase: PreviewRoute['phase'];
  message: string | null;
  private: boolean;
  driver: DriverName;
  driver_state: unknown;
}

const FRESH_MS = 250;
const OPENED_MS = 60_000;
const REMEMBERED = 1_000;

/** Where the service answers that a host's first label names. */
function reachedAt(place: Place, o: { organizationId: string; name: string; label: string }): Upstream | null {
  if (place.service === null) return upstreamOf(place);
  const { organizationId, name, label } = o;
  const asked = serviceOfHost({ name, config: place.config }, label);
  const service = place.config.services.find((one) => one.name === asked);
  if (service === undefined) return null;
  const { cluster, namespace } = place.service;
  return {
    service: { organizationId, cluster, namespace, name: workloadName(service.name, place.id), port: service.port },
  };
}

/** @param o.store as the worker role, which may list all organizations */
export function createPreviewRoutes(o: { store: Store; queue: JobQueue }): PreviewRoutes {
  const { store, queue } = o;
  const found = new Map<string, { at: number; route: Promise<PreviewRoute | undefined> }>();
  const openedAt = new Map<string, number>();

  async function read(label: string): Promise<PreviewRoute | undefined> {
    const name = previewOfHost(label);
    for (const organizationId of await organizationIds(store)) {
      const { rows } = await store.tenant(organizationId, (tx) =>
        tx.query<Row>(
          `SELECT p.id, p.phase, p.message, p.driver, r.private, p.driver_state FROM preview p
           JOIN repository r ON r.id = p.repository_id WHERE p.name = $1 AND p.phase <> 'gone'`,
          [name],
        ),
      );
      const row = rows[0];
      if (row === undefined) continue;
      const { serving, candidate } = placesOf(row.driver_state);
      // Only what its configuration says has a host; before there is one, the preview's own.
      const shown = serving ?? candidate;
      if (label !== name && (shown === null || serviceOfHost({ name, config: shown.config }, label) === undefined))
        return undefined;
      const upstream = serving?.answered ? reachedAt(serving, { organizationId, name, label }) : null;
      // On a machine of ours they share the one domain: there is nothing else that they could be kept from.
      const stranger = row.driver === 'kubernetes' && shown?.trusted === false;
      const { id, phase, message } = row;
      return {
        id,
        organizationId,
        name,
        phase,
        upstream,
        private: row.private,
        stranger,
        message,
      };
    }
    return undefined;
  }

  async function visit({ id, organizationId }: PreviewRoute): Promise<void> {
    const asked = await store.tenant(organizationId, async (tx) => {
      await tx.query('UPDATE preview SET last_opened_at = now() WHERE id = $1', [id]);
      return askPreview(tx, { previewId: id, to: 'wake' });
    });
    if (asked !== null) await queue.poke({ organizationId, id }, { version: asked.version });
  }

  return {
    find(name) {
      if (!isPreviewName(name)) return Promise.resolve(undefined);
      const known = found.get(name);
      const now = performance.now();
      if (known !== undefined && now - known.at < FRESH_MS) return known.route;
      const route = read(name);
      // Names come from strangers; what is remembered must not grow with them.
      if (found.size >= REMEMBERED) found.clear();
      found.set(name, { at: now, route });
      route.catch(() => found.delete(name));
      return route;
    },

    async opened(route) {
      const now = performance.now();
      if (now - (openedAt.get(route.id) ?? Number.NEGATIVE_INFINITY) < OPENED_MS) return;
      if (openedAt.size >= REMEMBERED) openedAt.clear();
      openedAt.set(route.id, now);
      await visit(route);
    },

    wake: visit,
  };
}
