/** An agent's remarks become a review on the forge, with comments on lines. */
import { z } from 'zod';
import type { AgentReview } from '../../effects/agents/review.js';
import { refusalOf } from '../sync/denied.js';
import { eachItem, type ForgeOctokit } from '../sync/octokit.js';
import { quietWords } from './agent-words.js';
import type { SessionRecord } from './session-record.js';

const REVIEWS = '/repos/{owner}/{repo}/pulls/{pull_number}/reviews';
const written = z.object({ body: z.string().nullish(), html_url: z.string().nullish() });

/** By which a review is found again when it is not known whether it was written. */
const signOf = (session: SessionRecord): string => `Session \`${session.id}\`, round ${session.round}.`;

async function find(octokit: ForgeOctokit, session: SessionRecord, signal: AbortSignal): Promise<string | undefined> {
  const { repository, number } = session;
  const place = { owner: repository.owner, repo: repository.name, pull_number: number };
  let found: string | undefined;
  await eachItem(octokit, `GET ${REVIEWS}`, place, signal, (item) => {
    const { success, data } = written.safeParse(item);
    if (!success || !data.body?.includes(signOf(session))) return false;
    found = data.html_url ?? '';
    return true;
  });
  return found;
}

/** Remarks on lines that are not part of the change have no place on it: they stand in the text. */
const asText = ({ comments }: AgentReview): string =>
  comments.map(({ path, line, body }) => `- \`${path}\` line ${line}: ${body.replaceAll('\n', ' ')}`).join('\n');

/** Writes the review, once. Answers its address. */
export async function writeReview(
  octokit: ForgeOctokit,
  session: SessionRecord,
  review: AgentReview,
  signal: AbortSignal,
): Promise<string> {
  const known = await find(octokit, session, signal);
  if (known !== undefined) return known;
  const { repository, number, headSha, agent, requester, requestedBy } = session;
  const by = `Reviewed by the agent ${agent}, asked for by ${requester?.login ?? requestedBy}. ${signOf(session)}`;
  const quiet = (text: string) => quietWords(text, number);
  const summary =
    quiet(review.summary.trim()) || (review.comments.length === 0 ? 'Nothing to remark.' : 'Remarks on lines below.');
  const post = async (body: string, comments: AgentReview['comments']): Promise<string> => {
    signal.throwIfAborted();
    const { data } = await octokit.request(`POST ${REVIEWS}`, {
      ...{ owner: repository.owner, repo: repository.name, pull_number: number, event: 'COMMENT' },
      ...(headSha !== null && { commit_id: headSha }),
      body: `${body}\n\n---\n${by}`,
      comments: comments.map(({ path, line, body: remark }) => ({ path, line, side: 'RIGHT', body: quiet(remark) })),
    });
    return written.parse(data).html_url ?? '';
  };
  try {
    return await post(summary, review.comments);
  } catch (error) {
    if (refusalOf(error)?.status !== 422 || review.comments.length === 0) throw error;
    return post(`${summary}\n\n${quiet(asText(review))}`, []);
  }
}
