import { z } from 'zod';
import { parseId } from '../../lib/ids.js';
import type { AppInstallations } from '../app-installation.js';
import type { JsonObject } from '../forge.js';
import { RouteFailure } from '../kit/route.js';

const id = z.union([z.number(), z.string()]).transform((value) => parseId(value));
const installation = z.looseObject({
  account: z.looseObject({ id, login: z.string().optional(), slug: z.string().optional() }),
});
const repositories = z.object({
  repositories: z.array(
    z.object({
      id: z.union([z.number(), z.string()]),
      node_id: z.string().optional(),
      name: z.string(),
      full_name: z.string(),
      private: z.boolean(),
      html_url: z.string().optional(),
      default_branch: z.string().optional(),
    }),
  ),
});
const PAGE = 100;

const notUnderstood = (what: string) => new RouteFailure(502, `The answer about ${what} was not understood.`);

export const appInstallations: AppInstallations = {
  async find(native, installationId) {
    const answer = await native.find(`/app/installations/${installationId}`);
    if (answer === undefined) return undefined;
    const found = installation.safeParse(answer);
    const login = found.data?.account.login ?? found.data?.account.slug;
    if (!found.success || login === undefined) throw notUnderstood('the installation');
    return { account: { id: found.data.account.id, login }, payload: answer as JsonObject };
  },
  async repositories(native, most) {
    const found: JsonObject[] = [];
    for (let page = 1; ; page += 1) {
      const query = { per_page: PAGE, page };
      const answer = repositories.safeParse(await native.get('/installation/repositories', query));
      if (!answer.success) throw notUnderstood('its repositories');
      found.push(...answer.data.repositories);
      if (answer.data.repositories.length < PAGE || found.length >= most) return found.slice(0, most);
    }
  },
};
