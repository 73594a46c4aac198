/** Rows that are the same on every forge, since they ask other rows and no forge. */
import { composedRoutes } from './composed-routes.js';
import { dispatches } from './dispatch.js';
import { protectionParts } from './protection-parts.js';
import { protectionWrites } from './protection-writes.js';
import type { RouteTable } from './route.js';

export const ofAnyForge: RouteTable = {
  ...dispatches,
  ...protectionParts,
  ...protectionWrites,
  ...composedRoutes,
};
