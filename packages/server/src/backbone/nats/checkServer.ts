import { TopGunError } from '@topgunbuild/core';
import type { Logger } from '../../Logger.js';
import type { NatsLink } from './NatsLink.js';

/** Streams could vanish on crashes before 2.10.23; this is what is tested. */
const OLDEST = '2.10.27';
const LEAST_PAYLOAD = 256 * 1024;
/** For a log record of a full megabyte with the largest value on top. */
const GOOD_PAYLOAD = 4 * 1024 * 1024;

/** @throws TopGunError INVALID_VALUE when the server cannot be used */
export function checkServer({ version, maxPayload }: NatsLink): void {
  if (version.localeCompare(OLDEST, 'en', { numeric: true }) < 0) {
    throw new TopGunError('INVALID_VALUE', `nats-server is ${version}; TopGun needs ${OLDEST} or newer.`);
  }
  if (maxPayload < LEAST_PAYLOAD) {
    throw new TopGunError(
      'INVALID_VALUE',
      `max_payload of nats-server is ${maxPayload} bytes; TopGun needs ${LEAST_PAYLOAD}, and 8MB for the largest values.`,
    );
  }
}

/** Says what an operator may believe and the server does not promise. */
export function warnOfServer({ maxPayload }: NatsLink, replicas: number, logger: Logger): void {
  if (maxPayload < GOOD_PAYLOAD) {
    logger.warn({ maxPayload }, 'max_payload of nats-server limits the size of values: set it to 8MB');
  }
  if (replicas === 1) {
    logger.warn(
      { replicas },
      'what is acknowledged is on one NATS server; it survives a power cut only if that has sync_interval: always',
    );
  }
}
