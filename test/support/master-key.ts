import { firstKeys } from '../../src/store/master-keys.js';

/** Every test database is set up with this key: the serving roles belong to the whole server, so they have one password. */
export const TEST_MASTER_KEY = Buffer.from('8f2b1d5c7a90e364f1186bd27ca53e0994d8f07b316e52ac0bc7e94d1f2a6385', 'hex');
export const TEST_KEYS = firstKeys(TEST_MASTER_KEY);
