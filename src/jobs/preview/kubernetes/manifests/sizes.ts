/** How much a thing gets: by its size class, and less of it for strangers' code. */
import type { SizeClass } from '../../preview-config.js';
import type { PreviewFrame } from './input.js';
import type { Size } from './settings.js';

type Sized = Pick<PreviewFrame, 'settings' | 'trusted'>;

export const sizeOf = ({ settings, trusted }: Sized, size: SizeClass): Size =>
  trusted ? settings.sizes[size] : settings.untrustedSize;

export const buildSize = ({ settings }: Sized): Size => settings.build.size;

/** Its volume is as large as its scratch space may be. */
export const databaseDisk = (frame: PreviewFrame): string => sizeOf(frame, frame.config.database?.size ?? 'small').disk;
