/**
 * What an instance remembers of a hook's deliveries, and when it switches one off: after the fourth failure in a row for a
 * minute, twice as long with each further one up to a day, for good after the fortieth; any delivery that succeeds ends it.
 * @see https://docs.gitlab.com/user/project/integrations/webhooks/ "Auto-disabled webhooks"
 */
import type { Hook, HookEvent, World } from './state.js';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;
const GRACE = 3;
const LAST = 39;

export function alertStatus(world: World, hook: Hook): 'executable' | 'temporarily_disabled' | 'disabled' {
  if (!world.state.autoDisablesHooks) return 'executable';
  if (hook.recentFailures > LAST) return 'disabled';
  const isOff = hook.disabledUntil !== null && hook.disabledUntil >= world.now();
  return isOff && hook.recentFailures > GRACE ? 'temporarily_disabled' : 'executable';
}

/** Notes an attempt and what it means for the hook. `status` is 0 when there was no answer. */
export function noteAttempt(
  world: World,
  hook: Hook,
  attempt: Pick<HookEvent, 'trigger' | 'event' | 'key' | 'payload'>,
  status: number,
): void {
  const createdAt = world.now();
  const answer = status === 0 ? 'internal error' : String(status);
  hook.log.push({ ...attempt, id: world.nextId(), url: hook.url, status: answer, createdAt });
  // A redirect counts as an answer, although it is not followed.
  if (status >= 200 && status < 400) {
    hook.recentFailures = 0;
    hook.disabledUntil = null;
    return;
  }
  if (!world.state.autoDisablesHooks || alertStatus(world, hook) !== 'executable') return;
  hook.recentFailures += 1;
  if (hook.recentFailures <= GRACE) return;
  const pauseMs = Math.min(DAY_MS, MINUTE_MS * 2 ** (hook.recentFailures - GRACE - 1));
  hook.disabledUntil = new Date(Date.parse(createdAt) + pauseMs).toISOString();
}

const WEEK_MS = 7 * DAY_MS;

/** Those of the last seven days, the newest first. */
export function listedEvents(world: World, hook: Hook, statuses: readonly string[]): HookEvent[] {
  const since = new Date(Date.parse(world.now()) - WEEK_MS).toISOString();
  const matches = ({ status }: HookEvent): boolean =>
    statuses.length === 0 ||
    statuses.some(
      (wanted) =>
        wanted === status ||
        (wanted === 'successful' && /^2/.test(status)) ||
        (wanted === 'client_failure' && /^4/.test(status)) ||
        (wanted === 'server_failure' && /^5|internal error/.test(status)),
    );
  return hook.log.filter((one) => one.createdAt >= since && matches(one)).reverse();
}

/** The secret is never shown. */
export const showEvent = (hook: Hook, { id, url, trigger, event, key, payload, status, createdAt }: HookEvent) => ({
  id,
  url,
  trigger,
  request_headers: {
    'Content-Type': 'application/json',
    'User-Agent': 'GitLab/18.6.0',
    'Idempotency-Key': key,
    'X-Gitlab-Event': event,
    ...(hook.token !== null && { 'X-Gitlab-Token': '[REDACTED]' }),
  },
  request_data: payload,
  response_headers: {},
  response_body: '',
  execution_duration: 0.1,
  response_status: status,
  created_at: createdAt,
});

/** Whether the version is this one or newer. */
export function isAtLeast({ state }: World, major: number, minor: number): boolean {
  const [is = 0, has = 0] = state.version.split('.').map((part) => Number.parseInt(part, 10));
  return is > major || (is === major && has >= minor);
}

const RESENDS_PER_MINUTE = 5;

/** False when the token has had its share of the minute. */
export function mayResend(world: World, hooks: readonly Hook[], userId: number): boolean {
  const now = Date.parse(world.now());
  const recent = world.state.resends.filter(({ at }) => now - at < MINUTE_MS);
  world.state.resends = recent;
  if (recent.filter(({ hooks: of, userId: by }) => of === hooks && by === userId).length >= RESENDS_PER_MINUTE)
    return false;
  recent.push({ hooks, userId, at: now });
  return true;
}
