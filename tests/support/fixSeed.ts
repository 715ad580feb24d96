/** Runs before every test file: property tests draw the cases of the seed. */
import fc from 'fast-check';
import { SEED } from './seed.js';

fc.configureGlobal({ seed: SEED });
