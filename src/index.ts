/**
 * Forgeway as a library. `serve` runs Probot apps on every forge; `createRehearsal` runs them on single deliveries, without
 * server and database; `createBridge` is what both stand on; `createVcs` gives other programs the same operations on every
 * forge, with tokens that renew themselves; `defineForge` describes a further forge.
 *
 * @module
 */

export {
  createTokenKeeper,
  type RefreshOutcome,
  type StoredTokens,
  type TokenKeeper,
  type TokenKeeperOptions,
  type TokenStore,
} from './accounts/tokens/keeper.js';
export type { ApiRouter } from './api/procedures/router.js';
export type { ServedApps, ServeOptions } from './entry/serve.js';
export { serve } from './entry/serve.js';
export { createVcs, type Vcs, type VcsOptions, type VcsScope } from './entry/vcs.js';
export type { ForgeAdministration, HookTarget, TokenFacts } from './forges/administration.js';
export { endpointBelow, type ForgeEndpoint } from './forges/endpoint.js';
export {
  type Classification,
  defineForge,
  type EventSupport,
  type ForgeDescriptor,
  type ForgeEvent,
  type JsonObject,
  type NativeDelivery,
  type SignatureCheck,
  type Snapshot,
  type TranslatePorts,
  type WebhookHeaders,
} from './forges/forge.js';
export type { ForgeFake, ForgeFakeOptions } from './forges/kit/fake/forge-fake.js';
export type { NativeClient } from './forges/kit/native-client.js';
export type { Records } from './forges/kit/records.js';
export {
  invalid,
  notFound,
  type Route,
  type RouteAnswer,
  type RouteContext,
  RouteFailure,
  type RouteRequest,
  type RouteTable,
} from './forges/kit/route.js';
export {
  authorizationUrl,
  type ForgeIdentity,
  type ForgeOAuth,
  type GrantedTokens,
  type OAuthClient,
  readTokenAnswer,
  tokenRequest,
} from './forges/oauth.js';
export { forges } from './forges/registry.js';
export { parseRepositoryUrl, type RepositoryAddress } from './forges/repository-url.js';
export { ForgewayError } from './lib/errors.js';
export { createLogger, type Logger } from './lib/logger.js';
export { createMetrics } from './lib/metrics.js';
export { createOutbound, type Outbound, type OutboundOptions } from './lib/outbound/outbound.js';
export { type App, type Bridge, type BridgeOptions, createBridge, type DeliveredEvent } from './translate/bridge.js';
export { asLegacyApp } from './translate/legacy/legacy-app.js';
export type { LegacyLevel } from './translate/legacy/level.js';
export {
  createRehearsal,
  type Rehearsal,
  type RehearsalOptions,
  type Rehearsed,
  type Run,
} from './translate/rehearsal.js';
export type { FindOAuthClient } from './translate/token-renewal.js';
export type * from './translate/vcs/operations.js';
