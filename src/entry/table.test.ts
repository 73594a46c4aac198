import { describe, expect, it } from '@jest/globals';
import { formatTable } from './table.js';

describe('formatTable', () => {
  it('separates the words of a column’s name in its heading', () => {
    const rows = [{ id: 1, receivedAt: new Date(0), statusReason: 'x' }];
    const [heading] = formatTable(rows, ['id', 'receivedAt', 'statusReason']).split('\n');
    expect(heading?.split(/ {2,}/)).toEqual(['ID', 'RECEIVED AT', 'STATUS REASON']);
  });

  it('leaves out what no row has', () => {
    const rows = [
      { id: 1, host: '', expiresAt: null, advice: 'Renew it.' },
      { id: 2, host: undefined, expiresAt: null, advice: null },
    ];
    expect(formatTable(rows, ['id', 'host', 'expiresAt', 'advice'])).toBe('ID  ADVICE\n1   Renew it.\n2');
  });

  it('leaves a name in one piece', () => {
    expect(formatTable([{ event: 'push', GitHub: 'yes' }], ['event', 'GitHub'])).toMatch(/^EVENT {2}GITHUB$/m);
  });
});
