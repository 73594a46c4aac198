/**
 * Registering an App of one's own from a manifest: a browser takes the manifest to the forge, a person agrees there, and the
 * browser comes back with a code that is exchanged, once, for everything that the App is. Nothing here sends anything.
 */
import type { ForgeEndpoint } from './endpoint.js';
import type { JsonObject } from './forge.js';

export interface AppWish {
  name: string;
  /** Page about it, for people. */
  homepage: string;
  webhookUrl: string;
  /** Where the browser comes back to with the code. */
  redirectUrl: string;
  /** Where a sign-in with the App's OAuth client ends. */
  signInCallbackUrl: string;
  /** Where people come who have just installed it. */
  installedUrl: string;
  /** Whether accounts other than its owner can install it. */
  public: boolean;
  permissions: Readonly<Record<string, string>>;
  events: readonly string[];
}

/** What the forge answers to the code. */
export interface RegisteredApp {
  id: string;
  slug: string;
  name: string;
  /** The App's own page, on the same server. */
  pageUrl: string;
  owner: { id: bigint; login: string };
  clientId: string;
  clientSecret: string;
  webhookSecret: string;
  /** PEM. */
  privateKey: string;
}

export interface ForgeAppManifest {
  /** Page to which a browser posts the manifest as the form field `manifest`. */
  page(endpoint: ForgeEndpoint, o: { organization?: string; state: string }): string;
  manifest(wish: AppWish): JsonObject;
  /** POST, without a credential: the code is one. */
  conversionUrl(endpoint: ForgeEndpoint, code: string): string;
  /** Undefined when it is not as documented, or tells of a page on another server. */
  read(endpoint: ForgeEndpoint, answer: unknown): RegisteredApp | undefined;
}
