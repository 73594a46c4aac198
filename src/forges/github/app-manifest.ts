/** @see https://docs.github.com/apps/sharing-github-apps/registering-a-github-app-from-a-manifest */
import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import type { ForgeAppManifest } from '../app-manifest.js';

const id = z.union([z.number(), z.string()]).transform((value, context) => {
  try {
    return parseId(value);
  } catch {
    context.addIssue({ code: 'custom', message: 'is not an id' });
    return z.NEVER;
  }
});
const word = z.string().regex(/^[\x21-\x7e]{1,512}$/);
const conversion = z.object({
  id,
  slug: word,
  name: z.string().min(1).max(200),
  html_url: z.url({ protocol: /^https?$/ }),
  // An enterprise that owns an App has a slug in the place of a login.
  owner: z.object({ id, login: word.optional(), slug: word.optional() }),
  client_id: word,
  client_secret: word,
  webhook_secret: word,
  pem: z.string().max(20_000).startsWith('-----BEGIN '),
});

export const appManifest: ForgeAppManifest = {
  page({ webUrl }, { organization, state }) {
    const owner = organization === undefined ? '' : `/organizations/${encodeURIComponent(organization)}`;
    return `${webUrl}${owner}/settings/apps/new?state=${encodeURIComponent(state)}`;
  },
  manifest: (wish) => ({
    name: wish.name,
    url: wish.homepage,
    hook_attributes: { url: wish.webhookUrl, active: true },
    redirect_url: wish.redirectUrl,
    callback_urls: [wish.signInCallbackUrl],
    setup_url: wish.installedUrl,
    public: wish.public,
    default_permissions: { ...wish.permissions },
    default_events: [...wish.events],
  }),
  conversionUrl: ({ apiUrl }, code) => `${apiUrl}/app-manifests/${encodeURIComponent(code)}/conversions`,
  read({ webUrl }, answer) {
    const parsed = conversion.safeParse(answer);
    if (!parsed.success) return undefined;
    const { data } = parsed;
    const login = data.owner.login ?? data.owner.slug;
    // It is shown as a link and gone to: nowhere else than where the App is.
    if (login === undefined || new URL(data.html_url).origin !== new URL(webUrl).origin) return undefined;
    return {
      id: data.id.toString(),
      slug: data.slug,
      name: data.name,
      pageUrl: data.html_url,
      owner: { id: data.owner.id, login },
      clientId: data.client_id,
      clientSecret: data.client_secret,
      webhookSecret: data.webhook_secret,
      privateKey: data.pem,
    };
  },
};
