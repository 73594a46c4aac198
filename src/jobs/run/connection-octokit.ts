import type { ForgeOctokit } from '../sync/octokit.js';

/**
 * The bridge's: an Octokit that speaks for a connection.
 * @throws ForgewayError FORGEWAY_CONNECTION_UNUSABLE saying what its owner has to do
 */
export type OctokitOf = (organizationId: string, connectionId: string) => Promise<ForgeOctokit>;
