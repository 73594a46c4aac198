/** Questions whose answer is good to know and that nothing hangs on. */
import { ForgewayError } from '../../lib/errors.js';
import { RouteFailure } from './route.js';

/**
 * Undefined where the forge does not tell, such as behind a proxy that keeps the address from us.
 * @throws RouteFailure 401 when it refuses the token, which is an answer
 */
export async function unlessRefused<T>(asking: () => Promise<T>): Promise<T | undefined> {
  try {
    return await asking();
  } catch (error) {
    const isRefusal = error instanceof RouteFailure && error.status === 401;
    if (isRefusal || !(error instanceof RouteFailure || error instanceof ForgewayError)) throw error;
    return undefined;
  }
}
