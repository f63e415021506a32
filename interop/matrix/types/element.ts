// What walletd-matrix gives Element Web is what its modules may give, as their types say.
import type {ProvideCryptoSetupExtensions} from '@matrix-org/react-sdk-module-api/lib/lifecycles/CryptoSetupExtensions.js';
import {createCryptoSetupExtensions} from 'walletd-matrix/element';

const extensions = createCryptoSetupExtensions({url: 'https://wallet.example', token: 'token'});
export const cryptoSetup: ProvideCryptoSetupExtensions = extensions;
export const ready: Promise<void> = extensions.ready();
