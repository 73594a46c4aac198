import { describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import type { Person } from '../accounts/access/actor.js';
import { createVisitorLinks, LINK_PARAMETER, SIGNED_IN_DAYS } from '../effects/gateway/visitor-link.js';
import { addPreviewVisit } from './preview-visit.js';

const links = createVisitorLinks(Buffer.alloc(32, 3));
const NOW = new Date('2026-03-01T12:00:00Z');
const DAY = 86_400_000;
const later = (days: number) => new Date(NOW.getTime() + days * DAY);

const who = (organizations: string[], more: Partial<Person> = {}): Person => ({
  ...{ kind: 'user', userId: 'ada', name: 'ada', platformAdmin: false, suspended: false },
  memberships: new Map(organizations.map((id) => [id, 'viewer' as const])),
  ...more,
});

/** @param person who is signed in */
async function visit(person: Person | undefined, path: string) {
  const asked: string[] = [];
  const app = fastify();
  addPreviewVisit(app, {
    sessionActor: async () => person,
    access: {
      async check(_actor, action, { name }) {
        asked.push(`${action} ${name}`);
        return { allowed: true, why: '' };
      },
    },
    visits: {
      find: async (label) => (label === 'acme-1' ? { id: 'p1', organizationId: 'acme', stranger: false } : undefined),
      linkTo(label, { id }, to) {
        const url = new URL(to, `http://${label}.preview.example`);
        url.searchParams.set(LINK_PARAMETER, links.tokenFor(id, NOW, SIGNED_IN_DAYS));
        return url.href;
      },
    },
  });
  try {
    const answer = await app.inject(`/preview-visits/${path}`);
    return { ...answer, status: answer.statusCode, to: answer.headers.location, text: answer.body, asked };
  } finally {
    await app.close();
  }
}

describe('a visit of a private preview', () => {
  it('goes on to it with a link of a day or two, for who belongs to its organization', async () => {
    const { status, to = '', asked } = await visit(who(['acme']), 'acme-1?to=%2Fa%3Fx%3D1');
    expect(status).toBe(303);
    const url = new URL(to);
    expect([url.host, url.pathname, url.searchParams.get('x')]).toEqual(['acme-1.preview.example', '/a', '1']);
    const token = url.searchParams.get(LINK_PARAMETER) ?? '';
    expect(links.isValid(token, 'p1', later(1))).toBe(true);
    expect(links.isValid(token, 'p1', later(2))).toBe(false);
    expect(links.isValid(token, 'p2', NOW)).toBe(false);
    expect(asked).toEqual(['preview.read preview p1']);
  });

  it('asks to sign in first, and comes back', async () => {
    const { status, to } = await visit(undefined, 'acme-1?to=%2Fa');
    expect([status, to]).toEqual([303, `/sign-in?return_to=${encodeURIComponent('/preview-visits/acme-1?to=%2Fa')}`]);
    expect((await visit(who(['acme'], { suspended: true }), 'acme-1')).to).toMatch(/^\/sign-in/);
  });

  it('tells others no more than that there is none', async () => {
    const none = await visit(who(['acme']), 'nobodys');
    const theirs = await visit(who(['else']), 'acme-1');
    expect([none.status, theirs.status]).toEqual([404, 404]);
    expect(theirs.text).toBe(none.text);
    expect(theirs.asked).toEqual([]);
  });

  it.each(['//evil.example', '/\\evil.example', 'https://evil.example/', 'a', '/a b', '', '/\tx'])(
    'never leads elsewhere: %j',
    async (path) => {
      const { to = '' } = await visit(who(['acme']), `acme-1?to=${encodeURIComponent(path)}`);
      const url = new URL(to);
      expect([url.host, url.pathname]).toEqual(['acme-1.preview.example', '/']);
    },
  );
});
