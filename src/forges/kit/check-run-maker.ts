/**
 * Who made a check run that is kept as a record, and of which repository it is: what our page about it knows without knowing the
 * forge. Its buttons go to that app alone, as GitHub tells of a check run's actions only the App that made it.
 */
import { z } from 'zod';
import { currentDelivery } from '../../lib/delivery-scope.js';

/** Kind of the records, on every forge that keeps check runs. Their keys begin with `repository id:`. */
export const CHECK_RUN = 'check_run';

const maker = z.looseObject({
  /** Name of the app; absent for what was written outside a delivery, as by a program behind the facade. */
  app: z.string().optional(),
  /** The event on which the app ran: what it makes again there after a failure is the same check run. */
  made_on: z.string().optional(),
});
export type CheckRunMaker = Pick<z.output<typeof maker>, 'app' | 'made_on'>;

/** Who makes one now, as it is kept in the record. */
export function currentMaker(): CheckRunMaker {
  const delivery = currentDelivery();
  return delivery === undefined ? {} : { app: delivery.app, made_on: `${delivery.deliveryId}:${delivery.eventIndex}` };
}

export function makerIn(data: unknown): CheckRunMaker {
  const { app, made_on } = maker.parse(data);
  return { ...(app !== undefined && { app }), ...(made_on !== undefined && { made_on }) };
}

/** Whether a record was made by the same app on the same event. */
export function isOfMaker(data: unknown, by: CheckRunMaker): boolean {
  const made = makerIn(data);
  return made.app === by.app && made.made_on === by.made_on;
}

/** The forge's number of the repository; undefined for a key of another form. */
export function repositoryOfKey(key: string): bigint | undefined {
  const [, id] = /^(\d{1,19}):/.exec(key) ?? [];
  return id === undefined ? undefined : BigInt(id);
}
