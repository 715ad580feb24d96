import { isIP } from 'node:net';

/** Whether only this machine can reach what listens on `host`. Names other than localhost may resolve to anything. */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost' || host === '::1') return true;
  return isIP(host) === 4 && host.startsWith('127.');
}
