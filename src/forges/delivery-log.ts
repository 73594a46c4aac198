/** What a forge remembers of the deliveries of one hook, and how it is asked to send one again. */

/** One attempt to deliver. */
export interface DeliveryAttempt {
  /** The forge's id of the attempt. */
  id: string;
  /** The key under which the ingress stores the delivery; the same for every attempt at it. */
  key: string;
  /** Grows from attempt to attempt of a hook, by the forge's own clock or count: never compared with our time. */
  position: bigint;
  /** When it was made, by the forge's clock; undefined where that is not told. */
  at: Date | undefined;
  /** The forge's own name of the event. */
  event: string;
  delivered: boolean;
  /** What our server answered, for a person: `503`, `timed out`. */
  answer: string;
}

export interface DeliveryPage {
  attempts: readonly DeliveryAttempt[];
  /** Names the page after it; undefined when there is none. */
  next: string | undefined;
}

export interface DeliveryLog {
  /**
   * Attempts, the newest first; those that delivered may be left out. `page` is what the page before named. Nothing need
   * be answered when there is nothing above `known`, the position up to which the list was read before.
   * @throws RouteFailure 404 when there is no such list: an older server, or a token that may not see it
   */
  page(page: string | undefined, known: bigint | null): Promise<DeliveryPage>;
  /**
   * Has the forge send it once more under the same key. `refused`: it tried at once, and our server did not take it.
   * `gone`: it has it no more. `asked`: it is on its way, or has arrived.
   * @throws RouteFailure 429 and whatever else is not about this one delivery
   */
  resend(attemptId: string): Promise<'asked' | 'refused' | 'gone'>;
  /** How far below a position that was seen already an attempt may still turn up. */
  readonly overlap: bigint;
  /** How long the forge remembers, in milliseconds. */
  readonly keptMs: number;
  /** Most that may be asked for in a minute. */
  readonly mostAsks: number;
}
