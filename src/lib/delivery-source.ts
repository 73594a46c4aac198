/** `webhook_delivery.source`: who reported it. What a forge sent is stored as `webhook`, whatever its headers say. */

/** Events that no forge sends, such as that a connection was made. */
export const SYNTHESISED = 'forgeway';

/** What the poller found. */
export const POLLED = 'poll';

/** Whether the body is in GitHub's shape already, since we made it ourselves. */
export const isOwn = (source: string): boolean => source === SYNTHESISED || source === POLLED;
