/** Protected branches, which GraphQL knows as rules. */
import type { JsonObject } from '../../../forges/forge.js';
import type { Ask } from '../ask.js';
import { everyItem, type Listing, routeListing, wholeListing } from '../listing.js';
import type { Place } from '../node-ids.js';
import { object, text } from '../rest.js';
import { placed, type Source } from '../sources.js';
import { type Area, connectionTypes } from './area.js';

/** GitHub has no REST list of rules; each protected branch is one, named by itself. */
export function protectionRules(ask: Ask, place: Place): Listing {
  return wholeListing(async () => {
    const branches = routeListing(ask, 'GET /repos/{owner}/{repo}/branches', { ...placed(place), protected: true });
    const names = (await everyItem(branches)).flatMap((branch) => text(branch.name) ?? []);
    return Promise.all(
      names.map(async (branch): Promise<JsonObject> => {
        const route = 'GET /repos/{owner}/{repo}/branches/{branch}/protection';
        return { pattern: branch, ...(await ask.find(route, { ...placed(place), branch })) };
      }),
    );
  });
}

const enabled = (name: string) => (source: Source) => object(source.rest[name])?.enabled === true;
const reviews = (source: Source) => object(source.rest.required_pull_request_reviews);
const checks = (source: Source) => object(source.rest.required_status_checks);

export const branchProtection: Area = {
  sdl: `
    type BranchProtectionRule {
      pattern: String! isAdminEnforced: Boolean! allowsDeletions: Boolean! allowsForcePushes: Boolean!
      requiresApprovingReviews: Boolean! requiredApprovingReviewCount: Int requiresCodeOwnerReviews: Boolean!
      dismissesStaleReviews: Boolean! requiresStatusChecks: Boolean! requiresStrictStatusChecks: Boolean!
      requiredStatusCheckContexts: [String] requiresLinearHistory: Boolean! requiresConversationResolution: Boolean!
      requiresCommitSignatures: Boolean! restrictsPushes: Boolean! restrictsReviewDismissals: Boolean!
    }
    ${connectionTypes('BranchProtectionRule')}`,
  fields: {
    BranchProtectionRule: {
      pattern: (source: Source) => source.rest.pattern,
      isAdminEnforced: enabled('enforce_admins'),
      allowsDeletions: enabled('allow_deletions'),
      allowsForcePushes: enabled('allow_force_pushes'),
      requiresApprovingReviews: (source: Source) => reviews(source) !== undefined,
      requiredApprovingReviewCount: (source: Source) => reviews(source)?.required_approving_review_count,
      requiresCodeOwnerReviews: (source: Source) => reviews(source)?.require_code_owner_reviews === true,
      dismissesStaleReviews: (source: Source) => reviews(source)?.dismiss_stale_reviews === true,
      restrictsReviewDismissals: (source: Source) => reviews(source)?.dismissal_restrictions !== undefined,
      requiresStatusChecks: (source: Source) => checks(source) !== undefined,
      requiresStrictStatusChecks: (source: Source) => checks(source)?.strict === true,
      requiredStatusCheckContexts: (source: Source) => checks(source)?.contexts ?? [],
      requiresLinearHistory: enabled('required_linear_history'),
      requiresConversationResolution: enabled('required_conversation_resolution'),
      requiresCommitSignatures: enabled('required_signatures'),
      restrictsPushes: (source: Source) => object(source.rest.restrictions) !== undefined,
    },
  },
};
