/** `npm run k6:bundle`: makes the script that k6 runs. */
import { bundleForK6, K6_BUNDLE } from './bundleForK6.js';

await bundleForK6();
console.log(K6_BUNDLE);
