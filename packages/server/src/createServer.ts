import { checkOptions, type ServerOptions } from './ServerOptions.js';
import { TopGunNode } from './TopGunNode.js';

/**
 * Makes a node; `start` opens it.
 *
 * ```ts
 * const node = await createServer({ auth: { secret }, backbone: { type: 'embedded', path: './data' } }).start();
 * console.log(node.url);
 * await node.stop();
 * ```
 *
 * @throws TopGunError INVALID_VALUE or INVALID_QUERY, which names the option, rule or credential that is wrong
 */
export function createServer(options: ServerOptions): TopGunNode {
  return new TopGunNode(checkOptions(options));
}
