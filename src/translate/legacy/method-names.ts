/**
 * What methods of Octokit were called in the versions that Probot 9 and older brought (@octokit/rest 14 to 16), by what
 * they are called now. The sources are the change logs of @octokit/rest and @octokit/plugin-rest-endpoint-methods.
 */

/** Old namespaces whose methods have moved into another. */
export const namespaces: Readonly<Record<string, string>> = {
  pullRequests: 'pulls',
  gitdata: 'git',
  gitData: 'git',
  integrations: 'apps',
};

const issues = {
  edit: 'update',
  getAll: 'list',
  getForRepo: 'listForRepo',
  getForOrg: 'listForOrg',
  getForUser: 'listForAuthenticatedUser',
  getComments: 'listComments',
  getCommentsForRepo: 'listCommentsForRepo',
  editComment: 'updateComment',
  getLabels: 'listLabelsForRepo',
  getIssueLabels: 'listLabelsOnIssue',
  replaceAllLabels: 'setLabels',
  replaceLabels: 'setLabels',
  removeLabels: 'removeAllLabels',
  addAssigneesToIssue: 'addAssignees',
  removeAssigneesFromIssue: 'removeAssignees',
  getAssignees: 'listAssignees',
  checkAssignee: 'checkUserCanBeAssigned',
  getEvents: 'listEvents',
  getEventsForIssue: 'listEvents',
  getEventsForRepo: 'listEventsForRepo',
  getEventsTimeline: 'listEventsForTimeline',
  getMilestones: 'listMilestones',
  listMilestonesForRepo: 'listMilestones',
  getMilestoneLabels: 'listLabelsForMilestone',
} as const;

const pulls = {
  getAll: 'list',
  getCommits: 'listCommits',
  getFiles: 'listFiles',
  getComments: 'listReviewComments',
  listComments: 'listReviewComments',
  getCommentsForRepo: 'listReviewCommentsForRepo',
  listCommentsForRepo: 'listReviewCommentsForRepo',
  getComment: 'getReviewComment',
  createComment: 'createReviewComment',
  editComment: 'updateReviewComment',
  updateComment: 'updateReviewComment',
  deleteComment: 'deleteReviewComment',
  createCommentReply: 'createReplyForReviewComment',
  createReviewCommentReply: 'createReplyForReviewComment',
  getReviews: 'listReviews',
  getReviewComments: 'listCommentsForReview',
  getReviewRequests: 'listRequestedReviewers',
  listReviewRequests: 'listRequestedReviewers',
  createReviewRequest: 'requestReviewers',
  deleteReviewRequest: 'removeRequestedReviewers',
  checkMerged: 'checkIfMerged',
} as const;

const git = {
  getReference: 'getRef',
  createReference: 'createRef',
  updateReference: 'updateRef',
  deleteReference: 'deleteRef',
  getReferences: 'listMatchingRefs',
  listRefs: 'listMatchingRefs',
} as const;

const repos = {
  edit: 'update',
  create: 'createForAuthenticatedUser',
  createForOrg: 'createInOrg',
  getAll: 'listForAuthenticatedUser',
  getForOrg: 'listForOrg',
  getForUser: 'listForUser',
  getContents: 'getContent',
  createFile: 'createOrUpdateFileContents',
  updateFile: 'createOrUpdateFileContents',
  createOrUpdateFile: 'createOrUpdateFileContents',
  createStatus: 'createCommitStatus',
  getStatuses: 'listCommitStatusesForRef',
  listStatusesForRef: 'listCommitStatusesForRef',
  getCombinedStatus: 'getCombinedStatusForRef',
  getBranches: 'listBranches',
  getCommits: 'listCommits',
  getShaOfCommitRef: 'getCommit',
  getCommitRefSha: 'getCommit',
  getTags: 'listTags',
  getReleases: 'listReleases',
  editRelease: 'updateRelease',
  getAssets: 'listReleaseAssets',
  uploadAsset: 'uploadReleaseAsset',
  listAssetsForRelease: 'listReleaseAssets',
  getCollaborators: 'listCollaborators',
  reviewUserPermissionLevel: 'getCollaboratorPermissionLevel',
  getContributors: 'listContributors',
  getForks: 'listForks',
  fork: 'createFork',
  getHooks: 'listWebhooks',
  listHooks: 'listWebhooks',
  getHook: 'getWebhook',
  createHook: 'createWebhook',
  editHook: 'updateWebhook',
  updateHook: 'updateWebhook',
  deleteHook: 'deleteWebhook',
  removeBranchProtection: 'deleteBranchProtection',
  getTeams: 'listTeams',
  getTopics: 'getAllTopics',
  listTopics: 'getAllTopics',
  replaceTopics: 'replaceAllTopics',
  getLanguages: 'listLanguages',
  getCommitComments: 'listCommentsForCommit',
  getAllCommitComments: 'listCommitCommentsForRepo',
  getDeployments: 'listDeployments',
  getDeploymentStatuses: 'listDeploymentStatuses',
  retrieveCommunityProfileMetrics: 'getCommunityProfileMetrics',
} as const;

const apps = {
  get: 'getAuthenticated',
  getForSlug: 'getBySlug',
  getInstallations: 'listInstallations',
  getInstallationRepositories: 'listReposAccessibleToInstallation',
  listRepos: 'listReposAccessibleToInstallation',
  createInstallationToken: 'createInstallationAccessToken',
  findOrgInstallation: 'getOrgInstallation',
  findRepoInstallation: 'getRepoInstallation',
  findUserInstallation: 'getUserInstallation',
  checkMarketplaceListingAccount: 'getSubscriptionPlanForAccount',
  checkAccountIsAssociatedWithAny: 'getSubscriptionPlanForAccount',
  checkAccountIsAssociatedWithAnyStubbed: 'getSubscriptionPlanForAccountStubbed',
  getMarketplaceListingPlans: 'listPlans',
  listAccountsUserOrOrgOnPlan: 'listAccountsForPlan',
} as const;

const orgs = {
  checkMembership: 'checkMembershipForUser',
  getMembership: 'getMembershipForUser',
  getOrgMembership: 'getMembershipForUser',
  addOrUpdateMembership: 'setMembershipForUser',
  removeMembership: 'removeMembershipForUser',
  getMembers: 'listMembers',
  getForUser: 'listForUser',
} as const;

const teams = {
  getMembershipInOrg: 'getMembershipForUserInOrg',
  addOrUpdateMembershipInOrg: 'addOrUpdateMembershipForUserInOrg',
  removeMembershipInOrg: 'removeMembershipForUserInOrg',
  addOrUpdateRepoInOrg: 'addOrUpdateRepoPermissionsInOrg',
  checkManagesRepoInOrg: 'checkPermissionsForRepoInOrg',
} as const;

const reactions = {
  getForCommitComment: 'listForCommitComment',
  getForIssue: 'listForIssue',
  getForIssueComment: 'listForIssueComment',
  getForPullRequestReviewComment: 'listForPullRequestReviewComment',
} as const;

/** New name by namespace of now and old name. */
export const methods: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  apps,
  git,
  issues,
  licenses: { getContents: 'getForRepo' },
  orgs,
  pulls,
  reactions,
  repos,
  search: { issues: 'issuesAndPullRequests' },
  teams,
  users: { get: 'getAuthenticated', getAll: 'list', getForUser: 'getByUsername' },
};
