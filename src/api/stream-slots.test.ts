import { expect, it } from '@jest/globals';
import { createStreamSlots } from './stream-slots.js';

it('one organization, or one caller, never takes all', () => {
  const take = createStreamSlots({ all: 6, perOrganization: 4, perCaller: 3 });
  const some = (times: number, organization: string, caller: string) =>
    Array.from({ length: times }, () => take(organization, caller)).flatMap((free) => free ?? []);
  const ann = some(9, 'one', 'ann');
  expect(ann).toHaveLength(3);
  expect(some(9, 'one', 'bob')).toHaveLength(1);
  expect(some(9, 'two', 'ann')).toHaveLength(0);
  expect(some(9, 'two', 'cid')).toHaveLength(2);
  for (const free of ann) free();
  expect(some(9, 'two', 'dan')).toHaveLength(2);
  expect(some(9, 'one', 'ann')).toHaveLength(1);
});
