/** Who may: asked of the forge, and remembered for stops while it does not answer (ADR 44). */
import type { ForgeActor } from '../../accounts/access/actor.js';
import { type RightOf, rememberedRight, rememberRight } from '../../accounts/access/remembered.js';
import type { PermissionAnswer, PermissionQuestion, Permissions } from '../../accounts/permissions.js';
import type { MirrorOrigin } from '../../store/mirror/origin.js';
import { type HandlerOptions, inDelivery } from '../delivery-work.js';

type Who = Omit<PermissionQuestion, 'octokit'>;

const rightOf = ({ organizationId, forge, host }: MirrorOrigin, { repository, user }: Who): RightOf => ({
  ...{ organizationId, forge, host, remoteRepositoryId: repository.remoteId, accountId: user.id },
});

/** Their right as the forge says now. An account that has another name by now has none. */
export async function askRight(
  o: HandlerOptions & { permissions: Permissions },
  question: PermissionQuestion,
): Promise<PermissionAnswer> {
  const answer = await o.permissions.levelOf(question);
  if (answer.level === undefined && answer.because === 'error') return answer;
  const [level, at] = answer.level === undefined ? (['none', new Date()] as const) : [answer.level, answer.askedAt];
  await inDelivery(o, ({ tx, origin }) => rememberRight(tx, rightOf(origin, question), level, at));
  return answer;
}

/** Somebody with the right that the forge said last they have; undefined when it has not, or not lately. */
export async function rememberedActor(o: HandlerOptions, who: Who): Promise<ForgeActor | undefined> {
  let known: Awaited<ReturnType<typeof rememberedRight>>;
  await inDelivery(o, async ({ tx, origin }) => {
    known = await rememberedRight(tx, rightOf(origin, who), new Date());
  });
  if (known === undefined) return undefined;
  const { forge, host } = who.repository;
  const { id: accountId, login } = who.user;
  return { kind: 'forge', forge, host, accountId, login, level: known.level, saidAt: known.at };
}

/** Too long, or too many: it is asked again. */
const TRANSIENT: readonly number[] = [408, 429];

/** Whether the forge has answered all the same, such as that something is not there: nobody is believed without it then. */
export function hasAnswered(problem: unknown): boolean {
  const status = problem instanceof Error && 'status' in problem ? problem.status : undefined;
  return typeof status === 'number' && status >= 400 && status < 500 && !TRANSIENT.includes(status);
}
