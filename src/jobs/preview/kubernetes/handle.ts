/** What the driver keeps of a place in the preview's row. */
import { z } from 'zod';
import type { Place } from '../driver.js';

const schema = z.object({
  organizationId: z.string(),
  cluster: z.string(),
  namespace: z.string(),
  /** Whether its walls are those of a private repository's. */
  private: z.boolean().default(false),
  /** Service to image, by digest where it was built here. */
  images: z.record(z.string(), z.string()),
  /** `Deployment/web-1a2b3c4d` to what was written of it; see `fingerprint`. */
  applied: z.record(z.string(), z.string()),
});
export type KubernetesHandle = z.output<typeof schema>;

/** Undefined: nothing of the place was ever written to a cluster. */
export function handleOf({ handle }: Pick<Place, 'handle'>): KubernetesHandle | undefined {
  const parsed = schema.safeParse(handle);
  return parsed.success ? parsed.data : undefined;
}
