/** Webhooks that deliver to this server. Apps may look at them and must not touch them. */
import { type RouteContext, RouteFailure } from './route.js';

const originOf = (address: string | undefined): string | undefined =>
  address !== undefined && URL.canParse(address) ? new URL(address).origin : undefined;

/** @throws RouteFailure 422 where deliveries of the webhook arrive here: an app that hears itself knock would knock again */
export function refuseOwnHook(context: RouteContext, url: string): void {
  const own = originOf(context.checkRunUrl(0));
  if (own === undefined || originOf(url) !== own) return;
  throw new RouteFailure(422, 'This webhook is how Forgeway itself hears of events: `forgeway hooks doctor` tries it.');
}
