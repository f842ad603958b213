/** The version of this package, as sent to the service; a test holds it equal to package.json. */
export const VERSION = '0.1.0';
