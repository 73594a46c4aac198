/**
 * Copilot's coding agent: an issue is handed to it by assigning it, in the name of a person who may use it. GitHub refuses the
 * tokens of Apps for this. Described in GitHub's documentation ("Using the Copilot cloud agent via the API", 2026) and in
 * the changelog of 2025-12-03; not tried on github.com from here.
 */
import { z } from 'zod';
import type { ForgeAgent } from '../forge.js';
import { segment } from '../kit/native-client.js';
import { RouteFailure } from '../kit/route.js';

/** The name that is assigned, and the one that is shown of it afterwards. */
const ASSIGNED_AS = 'copilot-swe-agent[bot]';
const SHOWN_AS: readonly string[] = ['copilot', 'copilot-swe-agent', ASSIGNED_AS];
const BRANCHES = 'copilot/';
/** Of a title while Copilot works. */
const IN_PROGRESS = /^\s*\[WIP\]/i;

const isIts = (login: string | null): boolean => login !== null && SHOWN_AS.includes(login.toLowerCase());

const assigned = z.object({ assignees: z.array(z.object({ login: z.string() })) });

const pathOf = ({ owner, name, number }: { owner: string; name: string; number: number }): string =>
  `/repos/${segment(owner)}/${segment(name)}/issues/${number}/assignees`;

/** Repository and issue as GitHub makes links of: `#12`, or with the repository before it. */
const names = (text: string, number: number): boolean => new RegExp(`(?:^|[^\\w])#${number}(?!\\d)`).test(text);

export const copilot: ForgeAgent = {
  name: 'copilot',
  label: 'Copilot',
  async assign(native, place, { baseBranch, instructions }) {
    try {
      const { data } = await native.send('POST', pathOf(place), {
        json: {
          assignees: [ASSIGNED_AS],
          agent_assignment: {
            target_repo: `${place.owner}/${place.name}`,
            base_branch: baseBranch,
            custom_instructions: instructions,
          },
        },
      });
      // Whom it may not assign GitHub leaves out without a word.
      return assigned.parse(data).assignees.some(({ login }) => isIts(login)) ? 'assigned' : 'unavailable';
    } catch (error) {
      if (error instanceof RouteFailure && [403, 404, 422].includes(error.status)) return 'unavailable';
      throw error;
    }
  },
  async unassign(native, place) {
    await native.send('DELETE', pathOf(place), { json: { assignees: [ASSIGNED_AS] } });
  },
  isItsWork: ({ authorLogin, headBranch, title, body }, number) =>
    isIts(authorLogin) && headBranch.startsWith(BRANCHES) && names(`${title}\n${body}`, number),
  isFinished: ({ draft, title }) => !draft && !IN_PROGRESS.test(title),
};
