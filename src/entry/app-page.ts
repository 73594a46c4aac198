/** The pages of Apps, where people install them: of the App of the environment only the forge knows it. */

import { z } from 'zod';
import type { Person } from '../accounts/access/actor.js';
import { decide } from '../accounts/access/decide.js';
import { listForgeApps } from '../accounts/forge-apps/rows.js';
import { type AppPage, visibleRepositories } from '../accounts/install-state.js';
import { installationNewsWritten } from '../accounts/installation-news.js';
import { type Lacking, lackingIn, type PersonalInstallStateOptions } from '../accounts/personal-install-state.js';
import { type Config, githubOrigin } from '../config/config.js';
import { forges } from '../forges/registry.js';
import { pause } from '../lib/clock.js';
import { messageOf } from '../lib/errors.js';
import type { Logger } from '../lib/logger.js';
import { redactText } from '../lib/redact.js';
import type { Store } from '../store/database.js';
import { defaultForge } from './default-app.js';
import type { LazyBridge } from './lazy-bridge.js';

/** Somebody waits for the answer; without it the page is shown all the same. */
const PATIENCE_MS = 3_000;
const KEPT_MS = 60 * 60_000;
/** Until a forge that did not say is asked again. */
const AGAIN_MS = 60_000;

const appSchema = z.object({ html_url: z.url({ protocol: /^https?$/ }) });

export function openAppPage(o: {
  config: Config;
  /** As the role of the API. */
  store: Store;
  bridge: LazyBridge;
  log: Logger;
}): () => Promise<AppPage> {
  const { web, host } = githubOrigin(o.config);
  let known: { page: string | undefined; until: number } | undefined;

  const ask = async (): Promise<string | undefined> => {
    const native = await (await o.bridge()).nativeOfApp();
    if (native === undefined) return undefined;
    const { html_url: page } = appSchema.parse(await native.get('/app'));
    // Shown as a link: nowhere else than where the App is.
    return new URL(page).origin === new URL(web).origin ? page : undefined;
  };
  const asked = async (): Promise<string | undefined> => {
    const waiting = new AbortController();
    try {
      return await Promise.race([ask(), pause(PATIENCE_MS, waiting.signal).then(() => undefined)]);
    } catch (error) {
      o.log.warn({ err: redactText(messageOf(error)) }, 'the page of the App could not be asked for');
      return undefined;
    } finally {
      waiting.abort();
    }
  };

  return async () => {
    if (known === undefined || known.until <= Date.now()) {
      const page = o.config.appId === undefined ? undefined : await asked();
      known = { page, until: Date.now() + (page === undefined ? AGAIN_MS : KEPT_MS) };
    }
    const { page } = known;
    const registered = await listForgeApps(o.store.pool);
    return (forge, at) =>
      (forge === defaultForge.id && at === host ? page : undefined) ??
      registered.find((app) => app.forge === forge && app.host === at)?.pageUrl;
  };
}

/** A page has room for so many; the API lists the rest. */
const SHOWN = 10;
/** Whoever opens a page waits no longer than this for forges to say what they may push to. */
const PAGE_PATIENCE_MS = 2_000;
/** More organizations than anybody looks at on a start page. */
const MOST_ORGANIZATIONS = 20;

export type VisibleWith = PersonalInstallStateOptions['visibleWith'];

/** What a person may see on a forge, asked with a connection of theirs. */
export function visibleWith(bridge: LazyBridge): VisibleWith {
  return async (organizationId, connectionId) => {
    const { native, connection } = await (await bridge()).nativeOf(organizationId, connectionId);
    const { forge, host, baseUrl } = connection;
    return { forge: forge.id, host, baseUrl, repositories: await visibleRepositories(forge, native) };
  };
}

/** What the start page says to a person of their repositories; undefined when it could not be read. */
export async function lackingOf(
  person: Person,
  o: { store: Store; appPage(): Promise<AppPage>; visibleWith: VisibleWith; log: Logger },
): Promise<Lacking | undefined> {
  const may = (organizationId: string) => decide(person, 'repository.read', { organizationId }).allowed;
  const organizationIds = [...person.memberships.keys()].filter(may).slice(0, MOST_ORGANIZATIONS);
  if (organizationIds.length === 0) return undefined;
  try {
    const appPage = await o.appPage();
    const { store, visibleWith } = o;
    await installationNewsWritten(store, PAGE_PATIENCE_MS);
    const shown = { organizationIds, most: SHOWN, withinMs: PAGE_PATIENCE_MS };
    return await lackingIn({ store, forges, appPage, userId: person.userId, visibleWith, ...shown });
  } catch (error) {
    o.log.warn({ err: messageOf(error) }, 'the page cannot say which repositories lack the App or a webhook');
    return undefined;
  }
}
