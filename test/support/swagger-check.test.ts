import { describe, expect, it } from '@jest/globals';
import { createSwaggerCheck, type Swagger } from './swagger-check.js';

const swagger: Swagger = {
  basePath: '/api',
  paths: {
    '/things/{name}': {
      get: {
        parameters: [{ name: 'limit', in: 'query', type: 'integer' }],
        responses: { 200: { $ref: '#/responses/Thing' } },
      },
      post: {
        parameters: [{ name: 'body', in: 'body', schema: { $ref: '#/definitions/Thing' } }],
        responses: { 201: {} },
      },
    },
    '/files': {
      post: {
        parameters: [
          { name: 'attachment', in: 'formData', type: 'file', required: true },
          { name: 'note', in: 'formData', type: 'string' },
        ],
        responses: { 201: {} },
      },
    },
  },
  definitions: { Thing: { properties: { name: { type: 'string' }, at: { type: 'string', format: 'date-time' } } } },
  responses: { Thing: { schema: { $ref: '#/definitions/Thing' } } },
};
const none = { wide: [], routes: {}, fields: {}, nullable: {}, answers: {}, listOrOne: {}, parameters: {} };

const ask = (method: string, path: string, answer: unknown, body?: unknown, status = 200, differences = {}) =>
  createSwaggerCheck(swagger, { ...none, ...differences }).check(
    new Request(`https://forge.test/api${path}`, { method, ...(body !== undefined && { body: JSON.stringify(body) }) }),
    new Response(JSON.stringify(answer), { status, headers: { 'content-type': 'application/json' } }),
  );

describe('the check against a description', () => {
  it('lets pass what is described', async () => {
    expect(await ask('GET', '/things/a?limit=2', { name: 'a', at: null })).toEqual([]);
    expect(await ask('POST', '/things/a', undefined, { name: 'a' }, 201)).toEqual([]);
    expect(await ask('POST', '/things/a', { message: 'no' }, { wrong: 1 }, 422)).toEqual([]);
  });

  it.each([
    ['GET', '/nothing', {}, undefined, 200, 'no such route'],
    ['DELETE', '/things/a', {}, undefined, 200, 'no such route'],
    ['GET', '/things/a?colour=red', {}, undefined, 200, 'no parameter colour'],
    ['GET', '/things/a?limit=x', {}, undefined, 200, 'no integer'],
    ['GET', '/things/a', { colour: 'red' }, undefined, 200, 'additional properties'],
    ['GET', '/things/a', { name: null }, undefined, 200, 'must be string'],
    ['GET', '/things/a', {}, undefined, 204, 'answers 204'],
    ['POST', '/things/a', undefined, { colour: 'red' }, 201, 'additional properties'],
    ['POST', '/things/a', undefined, { at: null }, 201, 'must be string'],
    ['GET', '/things/a', {}, undefined, 203, 'answers 203'],
  ])('finds what is wrong with %s %s (%j, %j, %d)', async (method, path, answer, body, status, said) => {
    const empty = status === 204;
    const found = empty
      ? await createSwaggerCheck(swagger, none).check(
          new Request(`https://forge.test/api${path}`),
          new Response(null, { status }),
        )
      : await ask(method, path, answer, body, status);
    expect(found.join()).toContain(said);
  });

  it.each<[string, Record<string, string | Blob> | undefined, string[]]>([
    ['the file', { attachment: new Blob(['x']) }, []],
    ['the file and a note', { attachment: new Blob(['x']), note: 'y' }, []],
    ['text for the file', { attachment: 'x' }, ['POST /files: attachment is not a file']],
    ['another field', { attachment: new Blob(['x']), colour: 'red' }, ['POST /files: no field colour']],
    ['no file', { note: 'y' }, ['POST /files: lacks the field attachment']],
    ['no form', undefined, ['POST /files: takes a form, not nothing']],
  ])('looks at forms: %s', async (_, fields, problems) => {
    const form = fields && new FormData();
    for (const [name, value] of Object.entries(fields ?? {})) form?.set(name, value);
    const request = new Request('https://forge.test/api/files', { method: 'POST', body: form });
    const answer = new Response('null', { status: 201 });
    expect(await createSwaggerCheck(swagger, none).check(request, answer)).toEqual(problems);
  });

  it('excuses what is named, and nothing else', async () => {
    expect(
      await ask('GET', '/things/a', { colour: 'red' }, undefined, 200, { fields: { 'Thing.colour': 'newer' } }),
    ).toEqual([]);
    expect(
      await ask('GET', '/things/a', [{ name: 'a' }], undefined, 200, { listOrOne: { 'GET /things/{name}': 'both' } }),
    ).toEqual([]);
    expect(
      await ask('GET', '/things/a', [{ name: 7 }], undefined, 200, { listOrOne: { 'GET /things/{name}': 'both' } }),
    ).toHaveLength(1);
  });
});
