import { TopGunError } from '@topgunbuild/core';

const KEY = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/;

/** A key of the registry, or a subject of the bus. @throws TopGunError INTERNAL when it has other characters */
export function checkedKey(key: string): string {
  if (!KEY.test(key)) throw new TopGunError('INTERNAL', `Not a key or subject of the backbone: ${JSON.stringify(key)}`);
  return key;
}
