/** Stickers. */
import { z } from 'zod';
import { invalid, type RouteContext, type RouteRequest, type RouteTable } from '../../../../src/forges/kit/route.js';
import { label } from '../../../../src/forges/kit/shapes/label.js';
import { sticker } from '../convert.js';
import { type NativeSticker, nativeSticker } from '../schema.js';
import { ask, exact, pageOf } from './wire.js';

const asLabel =
  ({ params }: RouteRequest, { base }: RouteContext) =>
  (native: NativeSticker) =>
    label(base, params.owner ?? '', params.repo ?? '', sticker(native));

export const labels: RouteTable = {
  'GET /repos/{owner}/{repo}/labels': exact('read', 'sticker.list', (request, context) =>
    pageOf(request, context, 'sticker.list', nativeSticker, asLabel(request, context)),
  ),
  'GET /repos/{owner}/{repo}/labels/{name}': exact('read', 'sticker.show', async (request, context) => ({
    data: asLabel(
      request,
      context,
    )(await ask(request, context, 'sticker.show', nativeSticker, { word: request.params.name })),
  })),
  'POST /repos/{owner}/{repo}/labels': exact('findable', 'sticker.make', async (request, context) => {
    const { name: word, color = 'ededed' } = request.body;
    if (typeof word !== 'string') throw invalid('Label', 'name', 'missing_field');
    const native = await ask(request, context, 'sticker.make', nativeSticker, { word, paint: `#${String(color)}` });
    return { status: 201, data: asLabel(request, context)(native) };
  }),
  'PATCH /repos/{owner}/{repo}/labels/{name}': exact('idempotent', 'sticker.edit', async (request, context) => {
    const { new_name: to, color } = request.body;
    const args = { word: request.params.name, to, ...(color !== undefined && { paint: `#${String(color)}` }) };
    return { data: asLabel(request, context)(await ask(request, context, 'sticker.edit', nativeSticker, args)) };
  }),
  'DELETE /repos/{owner}/{repo}/labels/{name}': exact('idempotent', 'sticker.drop', async (request, context) => {
    await ask(request, context, 'sticker.drop', z.null(), { word: request.params.name });
    return { status: 204 };
  }),
};
