/** Where the fake differs from the published description of Gitea 1.21.4, and why. */
import type { SwaggerDifferences } from './swagger-check.js';

export const giteaDifferences: SwaggerDifferences = {
  wide: ['filepath', 'ref', 'branch', 'archive', 'sha'],
  routes: {},
  fields: {
    'User.username': 'sent since Gogs, undocumented',
  },
  nullable: {},
  answers: {},
  parameters: {},
};
