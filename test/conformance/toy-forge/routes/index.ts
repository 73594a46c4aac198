/** GitHub's requests on the toy. */
import type { RouteTable } from '../../../../src/forges/kit/route.js';
import { issues } from './issues.js';
import { labels } from './labels.js';
import { pulls } from './pulls.js';
import { repositories } from './repositories.js';

export const routes: RouteTable = { ...repositories, ...issues, ...labels, ...pulls };
