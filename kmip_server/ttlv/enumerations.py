"""Enumerations and bit masks of KMIP 1.0 to 2.1: value, the standard's title, first and last version.

KMIP 2.1 s11 and s12 and the tables of the earlier versions. A row is a fact of the standard: add rows, never
renumber them.
"""

from __future__ import annotations

from kmip_server.ttlv.enumeration import Enumeration, Mask
from kmip_server.ttlv.versions import V1_0, V1_1, V1_2, V1_3, V1_4, V2_0, V2_1


class AdjustmentType(Enumeration):
    """Adjustment Type (KMIP 2.1 s11.1)."""

    INCREMENT = 0x00000001, "Increment", V2_0
    DECREMENT = 0x00000002, "Decrement", V2_0
    NEGATE = 0x00000003, "Negate", V2_0


class AlternativeNameType(Enumeration):
    """Alternative Name Type (KMIP 2.1 s11.2)."""

    UNINTERPRETED_TEXT_STRING = 0x00000001, "Uninterpreted Text String", V1_2
    URI = 0x00000002, "URI", V1_2
    OBJECT_SERIAL_NUMBER = 0x00000003, "Object Serial Number", V1_2
    EMAIL_ADDRESS = 0x00000004, "Email Address", V1_2
    DNS_NAME = 0x00000005, "DNS Name", V1_2
    X_500_DISTINGUISHED_NAME = 0x00000006, "X.500 Distinguished Name", V1_2
    IP_ADDRESS = 0x00000007, "IP Address", V1_2


class AsynchronousIndicator(Enumeration):
    """Asynchronous Indicator (KMIP 2.1 s11.3)."""

    MANDATORY = 0x00000001, "Mandatory", V2_0
    OPTIONAL = 0x00000002, "Optional", V2_0
    PROHIBITED = 0x00000003, "Prohibited", V2_0


class AttestationType(Enumeration):
    """Attestation Type (KMIP 2.1 s11.4)."""

    TPM_QUOTE = 0x00000001, "TPM Quote", V1_2
    TCG_INTEGRITY_REPORT = 0x00000002, "TCG Integrity Report", V1_2
    SAML_ASSERTION = 0x00000003, "SAML Assertion", V1_2


class BatchErrorContinuationOption(Enumeration):
    """Batch Error Continuation Option (KMIP 2.1 s11.5)."""

    CONTINUE = 0x00000001, "Continue", V1_0
    STOP = 0x00000002, "Stop", V1_0
    UNDO = 0x00000003, "Undo", V1_0


class BlockCipherMode(Enumeration):
    """Block Cipher Mode (KMIP 2.1 s11.6)."""

    CBC = 0x00000001, "CBC", V1_0
    ECB = 0x00000002, "ECB", V1_0
    PCBC = 0x00000003, "PCBC", V1_0
    CFB = 0x00000004, "CFB", V1_0
    OFB = 0x00000005, "OFB", V1_0
    CTR = 0x00000006, "CTR", V1_0
    CMAC = 0x00000007, "CMAC", V1_0
    CCM = 0x00000008, "CCM", V1_0
    GCM = 0x00000009, "GCM", V1_0
    CBC_MAC = 0x0000000A, "CBC-MAC", V1_0
    XTS = 0x0000000B, "XTS", V1_0
    AESKEYWRAPPADDING = 0x0000000C, "AESKeyWrapPadding", V1_0
    NISTKEYWRAP = 0x0000000D, "NISTKeyWrap", V1_0
    X9_102_AESKW = 0x0000000E, "X9.102 AESKW", V1_0
    X9_102_TDKW = 0x0000000F, "X9.102 TDKW", V1_0
    X9_102_AKW1 = 0x00000010, "X9.102 AKW1", V1_0
    X9_102_AKW2 = 0x00000011, "X9.102 AKW2", V1_0
    AEAD = 0x00000012, "AEAD", V1_4


class CancellationResult(Enumeration):
    """Cancellation Result (KMIP 2.1 s11.7)."""

    CANCELED = 0x00000001, "Canceled", V1_0
    UNABLE_TO_CANCEL = 0x00000002, "Unable to Cancel", V1_0
    COMPLETED = 0x00000003, "Completed", V1_0
    FAILED = 0x00000004, "Failed", V1_0
    UNAVAILABLE = 0x00000005, "Unavailable", V1_0


class CertificateRequestType(Enumeration):
    """Certificate Request Type (KMIP 2.1 s11.8)."""

    CRMF = 0x00000001, "CRMF", V1_0
    PKCS10 = 0x00000002, "PKCS#10", V1_0
    PEM = 0x00000003, "PEM", V1_0
    PGP = 0x00000004, "PGP", V1_0, V1_4


class CertificateType(Enumeration):
    """Certificate Type (KMIP 2.1 s11.9)."""

    X_509 = 0x00000001, "X.509", V1_0
    PGP = 0x00000002, "PGP", V1_0


class ClientRegistrationMethod(Enumeration):
    """Client Registration Method (KMIP 2.1 s11.10)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    SERVER_PRE_GENERATED = 0x00000002, "Server Pre-Generated", V1_3
    SERVER_ON_DEMAND = 0x00000003, "Server On-Demand", V1_3
    CLIENT_GENERATED = 0x00000004, "Client Generated", V1_3
    CLIENT_REGISTERED = 0x00000005, "Client Registered", V1_3


class CredentialType(Enumeration):
    """Credential Type (KMIP 2.1 s11.11)."""

    USERNAME_AND_PASSWORD = 0x00000001, "Username and Password", V1_0
    DEVICE = 0x00000002, "Device", V1_1
    ATTESTATION = 0x00000003, "Attestation", V1_2
    ONE_TIME_PASSWORD = 0x00000004, "One Time Password", V2_0
    HASHED_PASSWORD = 0x00000005, "Hashed Password", V2_0
    TICKET = 0x00000006, "Ticket", V2_0


class CryptographicAlgorithm(Enumeration):
    """Cryptographic Algorithm (KMIP 2.1 s11.12)."""

    DES = 0x00000001, "DES", V1_0
    DES3 = 0x00000002, "3DES", V1_0
    AES = 0x00000003, "AES", V1_0
    RSA = 0x00000004, "RSA", V1_0
    DSA = 0x00000005, "DSA", V1_0
    ECDSA = 0x00000006, "ECDSA", V1_0
    HMAC_SHA1 = 0x00000007, "HMAC-SHA1", V1_0
    HMAC_SHA224 = 0x00000008, "HMAC-SHA224", V1_0
    HMAC_SHA256 = 0x00000009, "HMAC-SHA256", V1_0
    HMAC_SHA384 = 0x0000000A, "HMAC-SHA384", V1_0
    HMAC_SHA512 = 0x0000000B, "HMAC-SHA512", V1_0
    HMAC_MD5 = 0x0000000C, "HMAC-MD5", V1_0
    DH = 0x0000000D, "DH", V1_0
    ECDH = 0x0000000E, "ECDH", V1_0
    ECMQV = 0x0000000F, "ECMQV", V1_0
    BLOWFISH = 0x00000010, "Blowfish", V1_0
    CAMELLIA = 0x00000011, "Camellia", V1_0
    CAST5 = 0x00000012, "CAST5", V1_0
    IDEA = 0x00000013, "IDEA", V1_0
    MARS = 0x00000014, "MARS", V1_0
    RC2 = 0x00000015, "RC2", V1_0
    RC4 = 0x00000016, "RC4", V1_0
    RC5 = 0x00000017, "RC5", V1_0
    SKIPJACK = 0x00000018, "SKIPJACK", V1_0
    TWOFISH = 0x00000019, "Twofish", V1_0
    EC = 0x0000001A, "EC", V1_2
    ONE_TIME_PAD = 0x0000001B, "One Time Pad", V1_3
    CHACHA20 = 0x0000001C, "ChaCha20", V1_4
    POLY1305 = 0x0000001D, "Poly1305", V1_4
    CHACHA20POLY1305 = 0x0000001E, "ChaCha20Poly1305", V1_4
    SHA3_224 = 0x0000001F, "SHA3-224", V1_4
    SHA3_256 = 0x00000020, "SHA3-256", V1_4
    SHA3_384 = 0x00000021, "SHA3-384", V1_4
    SHA3_512 = 0x00000022, "SHA3-512", V1_4
    HMAC_SHA3_224 = 0x00000023, "HMAC-SHA3-224", V1_4
    HMAC_SHA3_256 = 0x00000024, "HMAC-SHA3-256", V1_4
    HMAC_SHA3_384 = 0x00000025, "HMAC-SHA3-384", V1_4
    HMAC_SHA3_512 = 0x00000026, "HMAC-SHA3-512", V1_4
    SHAKE_128 = 0x00000027, "SHAKE-128", V1_4
    SHAKE_256 = 0x00000028, "SHAKE-256", V1_4
    ARIA = 0x00000029, "ARIA", V2_0
    SEED = 0x0000002A, "SEED", V2_0
    SM2 = 0x0000002B, "SM2", V2_0
    SM3 = 0x0000002C, "SM3", V2_0
    SM4 = 0x0000002D, "SM4", V2_0
    GOST_R_34_10_2012 = 0x0000002E, "GOST R 34.10-2012", V2_0
    GOST_R_34_11_2012 = 0x0000002F, "GOST R 34.11-2012", V2_0
    GOST_R_34_13_2015 = 0x00000030, "GOST R 34.13-2015", V2_0
    GOST_28147_89 = 0x00000031, "GOST 28147-89", V2_0
    XMSS = 0x00000032, "XMSS", V2_0
    SPHINCS_256 = 0x00000033, "SPHINCS-256", V2_0
    MCELIECE = 0x00000034, "McEliece", V2_0
    MCELIECE_6960119 = 0x00000035, "McEliece-6960119", V2_0
    MCELIECE_8192128 = 0x00000036, "McEliece-8192128", V2_0
    ED25519 = 0x00000037, "Ed25519", V2_0
    ED448 = 0x00000038, "Ed448", V2_0


class CryptographicUsageMask(Mask):
    """Cryptographic Usage Mask (KMIP 2.1 s12.1)."""

    SIGN = 0x00000001, "Sign", V1_0
    VERIFY = 0x00000002, "Verify", V1_0
    ENCRYPT = 0x00000004, "Encrypt", V1_0
    DECRYPT = 0x00000008, "Decrypt", V1_0
    WRAP_KEY = 0x00000010, "Wrap Key", V1_0
    UNWRAP_KEY = 0x00000020, "Unwrap Key", V1_0
    EXPORT = 0x00000040, "Export", V1_0, V1_4
    MAC_GENERATE = 0x00000080, "MAC Generate", V1_0
    MAC_VERIFY = 0x00000100, "MAC Verify", V1_0
    DERIVE_KEY = 0x00000200, "Derive Key", V1_0
    CONTENT_COMMITMENT_NON_REPUDIATION = 0x00000400, "Content Commitment (Non Repudiation)", V1_0, V1_4
    KEY_AGREEMENT = 0x00000800, "Key Agreement", V1_0
    CERTIFICATE_SIGN = 0x00001000, "Certificate Sign", V1_0
    CRL_SIGN = 0x00002000, "CRL Sign", V1_0
    GENERATE_CRYPTOGRAM = 0x00004000, "Generate Cryptogram", V1_0, V1_4
    VALIDATE_CRYPTOGRAM = 0x00008000, "Validate Cryptogram", V1_0, V1_4
    TRANSLATE_ENCRYPT = 0x00010000, "Translate Encrypt", V1_0, V1_4
    TRANSLATE_DECRYPT = 0x00020000, "Translate Decrypt", V1_0, V1_4
    TRANSLATE_WRAP = 0x00040000, "Translate Wrap", V1_0, V1_4
    TRANSLATE_UNWRAP = 0x00080000, "Translate Unwrap", V1_0, V1_4
    AUTHENTICATE = 0x00100000, "Authenticate", V2_0
    UNRESTRICTED = 0x00200000, "Unrestricted", V2_0
    FPE_ENCRYPT = 0x00400000, "FPE Encrypt", V2_0
    FPE_DECRYPT = 0x00800000, "FPE Decrypt", V2_0


class DRBGAlgorithm(Enumeration):
    """DRBG Algorithm (KMIP 2.1 s11.17)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    DUAL_EC = 0x00000002, "Dual-EC", V1_3
    HASH = 0x00000003, "Hash", V1_3
    HMAC = 0x00000004, "HMAC", V1_3
    CTR = 0x00000005, "CTR", V1_3


class DataEnumeration(Enumeration):
    """Data (KMIP 2.1 s11.13)."""

    DECRYPT = 0x00000001, "Decrypt", V2_0
    ENCRYPT = 0x00000002, "Encrypt", V2_0
    HASH = 0x00000003, "Hash", V2_0
    MAC_MAC_DATA = 0x00000004, "MAC MAC Data", V2_0
    RNG_RETRIEVE = 0x00000005, "RNG Retrieve", V2_0
    SIGN_SIGNATURE_DATA = 0x00000006, "Sign Signature Data", V2_0
    SIGNATURE_VERIFY = 0x00000007, "Signature Verify", V2_0


class DerivationMethod(Enumeration):
    """Derivation Method (KMIP 2.1 s11.14)."""

    PBKDF2 = 0x00000001, "PBKDF2", V1_0
    HASH = 0x00000002, "HASH", V1_0
    HMAC = 0x00000003, "HMAC", V1_0
    ENCRYPT = 0x00000004, "ENCRYPT", V1_0
    NIST800_108_C = 0x00000005, "NIST800-108-C", V1_0
    NIST800_108_F = 0x00000006, "NIST800-108-F", V1_0
    NIST800_108_DPI = 0x00000007, "NIST800-108-DPI", V1_0
    ASYMMETRIC_KEY = 0x00000008, "Asymmetric Key", V1_4
    AWS_SIGNATURE_VERSION_4 = 0x00000009, "AWS Signature Version 4", V2_0
    HKDF = 0x0000000A, "HKDF", V2_0


class DestroyAction(Enumeration):
    """Destroy Action (KMIP 2.1 s11.15)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    KEY_MATERIAL_DELETED = 0x00000002, "Key Material Deleted", V1_3
    KEY_MATERIAL_SHREDDED = 0x00000003, "Key Material Shredded", V1_3
    META_DATA_DELETED = 0x00000004, "Meta Data Deleted", V1_3
    META_DATA_SHREDDED = 0x00000005, "Meta Data Shredded", V1_3
    DELETED = 0x00000006, "Deleted", V1_3
    SHREDDED = 0x00000007, "Shredded", V1_3


class DigitalSignatureAlgorithm(Enumeration):
    """Digital Signature Algorithm (KMIP 2.1 s11.16)."""

    MD2_WITH_RSA_ENCRYPTION = 0x00000001, "MD2 with RSA Encryption", V1_1
    MD5_WITH_RSA_ENCRYPTION = 0x00000002, "MD5 with RSA Encryption", V1_1
    SHA_1_WITH_RSA_ENCRYPTION = 0x00000003, "SHA-1 with RSA Encryption", V1_1
    SHA_224_WITH_RSA_ENCRYPTION = 0x00000004, "SHA-224 with RSA Encryption", V1_1
    SHA_256_WITH_RSA_ENCRYPTION = 0x00000005, "SHA-256 with RSA Encryption", V1_1
    SHA_384_WITH_RSA_ENCRYPTION = 0x00000006, "SHA-384 with RSA Encryption", V1_1
    SHA_512_WITH_RSA_ENCRYPTION = 0x00000007, "SHA-512 with RSA Encryption", V1_1
    RSASSA_PSS = 0x00000008, "RSASSA-PSS", V1_1
    DSA_WITH_SHA_1 = 0x00000009, "DSA with SHA-1", V1_1
    DSA_WITH_SHA224 = 0x0000000A, "DSA with SHA224", V1_1
    DSA_WITH_SHA256 = 0x0000000B, "DSA with SHA256", V1_1
    ECDSA_WITH_SHA_1 = 0x0000000C, "ECDSA with SHA-1", V1_1
    ECDSA_WITH_SHA224 = 0x0000000D, "ECDSA with SHA224", V1_1
    ECDSA_WITH_SHA256 = 0x0000000E, "ECDSA with SHA256", V1_1
    ECDSA_WITH_SHA384 = 0x0000000F, "ECDSA with SHA384", V1_1
    ECDSA_WITH_SHA512 = 0x00000010, "ECDSA with SHA512", V1_1
    SHA3_256_WITH_RSA_ENCRYPTION = 0x00000011, "SHA3-256 with RSA Encryption", V1_4
    SHA3_384_WITH_RSA_ENCRYPTION = 0x00000012, "SHA3-384 with RSA Encryption", V1_4
    SHA3_512_WITH_RSA_ENCRYPTION = 0x00000013, "SHA3-512 with RSA Encryption", V1_4


class EncodingOption(Enumeration):
    """Encoding Option (KMIP 2.1 s11.18)."""

    NO_ENCODING = 0x00000001, "No Encoding", V1_1
    TTLV_ENCODING = 0x00000002, "TTLV Encoding", V1_1


class EndpointRole(Enumeration):
    """Endpoint Role (KMIP 2.1 s11.19)."""

    CLIENT = 0x00000001, "Client", V2_0
    SERVER = 0x00000002, "Server", V2_0


class FIPS186Variation(Enumeration):
    """FIPS186 Variation (KMIP 2.1 s11.20)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    GP_X_ORIGINAL = 0x00000002, "GP x-Original", V1_3
    GP_X_CHANGE_NOTICE = 0x00000003, "GP x-Change Notice", V1_3
    X_ORIGINAL = 0x00000004, "x-Original", V1_3
    X_CHANGE_NOTICE = 0x00000005, "x-Change Notice", V1_3
    K_ORIGINAL = 0x00000006, "k-Original", V1_3
    K_CHANGE_NOTICE = 0x00000007, "k-Change Notice", V1_3


class HashingAlgorithm(Enumeration):
    """Hashing Algorithm (KMIP 2.1 s11.21)."""

    MD2 = 0x00000001, "MD2", V1_0
    MD4 = 0x00000002, "MD4", V1_0
    MD5 = 0x00000003, "MD5", V1_0
    SHA_1 = 0x00000004, "SHA-1", V1_0
    SHA_224 = 0x00000005, "SHA-224", V1_0
    SHA_256 = 0x00000006, "SHA-256", V1_0
    SHA_384 = 0x00000007, "SHA-384", V1_0
    SHA_512 = 0x00000008, "SHA-512", V1_0
    RIPEMD_160 = 0x00000009, "RIPEMD-160", V1_0
    TIGER = 0x0000000A, "Tiger", V1_0
    WHIRLPOOL = 0x0000000B, "Whirlpool", V1_0
    SHA_512_224 = 0x0000000C, "SHA-512/224", V1_2
    SHA_512_256 = 0x0000000D, "SHA-512/256", V1_2
    SHA3_224 = 0x0000000E, "SHA3-224", V1_4
    SHA3_256 = 0x0000000F, "SHA3-256", V1_4
    SHA3_384 = 0x00000010, "SHA3-384", V1_4
    SHA3_512 = 0x00000011, "SHA3-512", V1_4


class InteropFunction(Enumeration):
    """Interop Function (KMIP 2.1 s11.22)."""

    BEGIN = 0x00000001, "Begin", V2_0
    END = 0x00000002, "End", V2_0
    RESET = 0x00000003, "Reset", V2_0


class ItemType(Enumeration):
    """Item Type (KMIP 2.1 s11.23)."""

    STRUCTURE = 0x00000001, "Structure", V2_0
    INTEGER = 0x00000002, "Integer", V2_0
    LONG_INTEGER = 0x00000003, "Long Integer", V2_0
    BIG_INTEGER = 0x00000004, "Big Integer", V2_0
    ENUMERATION = 0x00000005, "Enumeration", V2_0
    BOOLEAN = 0x00000006, "Boolean", V2_0
    TEXT_STRING = 0x00000007, "Text String", V2_0
    BYTE_STRING = 0x00000008, "Byte String", V2_0
    DATE_TIME = 0x00000009, "Date Time", V2_0
    INTERVAL = 0x0000000A, "Interval", V2_0
    DATE_TIME_EXTENDED = 0x0000000B, "Date Time Extended", V2_0


class KeyCompressionType(Enumeration):
    """Key Compression Type (KMIP 2.1 s11.24)."""

    EC_PUBLIC_KEY_TYPE_UNCOMPRESSED = 0x00000001, "EC Public Key Type Uncompressed", V1_0
    EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_PRIME = 0x00000002, "EC Public Key Type X9.62 Compressed Prime", V1_0
    EC_PUBLIC_KEY_TYPE_X9_62_COMPRESSED_CHAR2 = 0x00000003, "EC Public Key Type X9.62 Compressed Char2", V1_0
    EC_PUBLIC_KEY_TYPE_X9_62_HYBRID = 0x00000004, "EC Public Key Type X9.62 Hybrid", V1_0


class KeyFormatType(Enumeration):
    """Key Format Type (KMIP 2.1 s11.25)."""

    RAW = 0x00000001, "Raw", V1_0
    OPAQUE = 0x00000002, "Opaque", V1_0
    PKCS1 = 0x00000003, "PKCS#1", V1_0
    PKCS8 = 0x00000004, "PKCS#8", V1_0
    X_509 = 0x00000005, "X.509", V1_0
    ECPRIVATEKEY = 0x00000006, "ECPrivateKey", V1_0
    TRANSPARENT_SYMMETRIC_KEY = 0x00000007, "Transparent Symmetric Key", V1_0
    TRANSPARENT_DSA_PRIVATE_KEY = 0x00000008, "Transparent DSA Private Key", V1_0
    TRANSPARENT_DSA_PUBLIC_KEY = 0x00000009, "Transparent DSA Public Key", V1_0
    TRANSPARENT_RSA_PRIVATE_KEY = 0x0000000A, "Transparent RSA Private Key", V1_0
    TRANSPARENT_RSA_PUBLIC_KEY = 0x0000000B, "Transparent RSA Public Key", V1_0
    TRANSPARENT_DH_PRIVATE_KEY = 0x0000000C, "Transparent DH Private Key", V1_0
    TRANSPARENT_DH_PUBLIC_KEY = 0x0000000D, "Transparent DH Public Key", V1_0
    TRANSPARENT_ECDSA_PRIVATE_KEY = 0x0000000E, "Transparent ECDSA Private Key", V1_0, V1_4
    TRANSPARENT_ECDSA_PUBLIC_KEY = 0x0000000F, "Transparent ECDSA Public Key", V1_0, V1_4
    TRANSPARENT_ECDH_PRIVATE_KEY = 0x00000010, "Transparent ECDH Private Key", V1_0, V1_4
    TRANSPARENT_ECDH_PUBLIC_KEY = 0x00000011, "Transparent ECDH Public Key", V1_0, V1_4
    TRANSPARENT_ECMQV_PRIVATE_KEY = 0x00000012, "Transparent ECMQV Private Key", V1_0, V1_4
    TRANSPARENT_ECMQV_PUBLIC_KEY = 0x00000013, "Transparent ECMQV Public Key", V1_0, V1_4
    TRANSPARENT_EC_PRIVATE_KEY = 0x00000014, "Transparent EC Private Key", V1_3
    TRANSPARENT_EC_PUBLIC_KEY = 0x00000015, "Transparent EC Public Key", V1_3
    PKCS12 = 0x00000016, "PKCS#12", V1_4
    PKCS10 = 0x00000017, "PKCS#10", V2_0


class KeyRoleType(Enumeration):
    """Key Role Type (KMIP 2.1 s11.26)."""

    BDK = 0x00000001, "BDK", V1_0
    CVK = 0x00000002, "CVK", V1_0
    DEK = 0x00000003, "DEK", V1_0
    MKAC = 0x00000004, "MKAC", V1_0
    MKSMC = 0x00000005, "MKSMC", V1_0
    MKSMI = 0x00000006, "MKSMI", V1_0
    MKDAC = 0x00000007, "MKDAC", V1_0
    MKDN = 0x00000008, "MKDN", V1_0
    MKCP = 0x00000009, "MKCP", V1_0
    MKOTH = 0x0000000A, "MKOTH", V1_0
    KEK = 0x0000000B, "KEK", V1_0
    MAC16609 = 0x0000000C, "MAC16609", V1_0
    MAC97971 = 0x0000000D, "MAC97971", V1_0
    MAC97972 = 0x0000000E, "MAC97972", V1_0
    MAC97973 = 0x0000000F, "MAC97973", V1_0
    MAC97974 = 0x00000010, "MAC97974", V1_0
    MAC97975 = 0x00000011, "MAC97975", V1_0
    ZPK = 0x00000012, "ZPK", V1_0
    PVKIBM = 0x00000013, "PVKIBM", V1_0
    PVKPVV = 0x00000014, "PVKPVV", V1_0
    PVKOTH = 0x00000015, "PVKOTH", V1_0
    DUKPT = 0x00000016, "DUKPT", V1_4
    IV = 0x00000017, "IV", V1_4
    TRKBK = 0x00000018, "TRKBK", V1_4


class KeyValueLocationType(Enumeration):
    """Key Value Location Type (KMIP 2.1 s11.27)."""

    UNINTERPRETED_TEXT_STRING = 0x00000001, "Uninterpreted Text String", V1_2
    URI = 0x00000002, "URI", V1_2


class KeyWrapType(Enumeration):
    """Key Wrap Type (KMIP 2.1 s11.29)."""

    NOT_WRAPPED = 0x00000001, "Not Wrapped", V1_4
    AS_REGISTERED = 0x00000002, "As Registered", V1_4


class LinkType(Enumeration):
    """Link Type (KMIP 2.1 s11.28)."""

    CERTIFICATE_LINK = 0x00000101, "Certificate Link", V1_0
    PUBLIC_KEY_LINK = 0x00000102, "Public Key Link", V1_0
    PRIVATE_KEY_LINK = 0x00000103, "Private Key Link", V1_0
    DERIVATION_BASE_OBJECT_LINK = 0x00000104, "Derivation Base Object Link", V1_0
    DERIVED_KEY_LINK = 0x00000105, "Derived Key Link", V1_0
    REPLACEMENT_OBJECT_LINK = 0x00000106, "Replacement Object Link", V1_0
    REPLACED_OBJECT_LINK = 0x00000107, "Replaced Object Link", V1_0
    PARENT_LINK = 0x00000108, "Parent Link", V1_2
    CHILD_LINK = 0x00000109, "Child Link", V1_2
    PREVIOUS_LINK = 0x0000010A, "Previous Link", V1_2
    NEXT_LINK = 0x0000010B, "Next Link", V1_2
    PKCS12_CERTIFICATE_LINK = 0x0000010C, "PKCS#12 Certificate Link", V1_4
    PKCS12_PASSWORD_LINK = 0x0000010D, "PKCS#12 Password Link", V1_4
    WRAPPING_KEY_LINK = 0x0000010E, "Wrapping Key Link", V2_0


class MaskGenerator(Enumeration):
    """Mask Generator (KMIP 2.1 s11.30, whose table prints its one value as MFG1)."""

    MGF1 = 0x00000001, "MGF1", V1_4


class NISTKeyType(Enumeration):
    """NIST Key Type (KMIP 2.1 s11.32)."""

    PRIVATE_SIGNATURE_KEY = 0x00000001, "Private signature key", V2_0
    PUBLIC_SIGNATURE_VERIFICATION_KEY = 0x00000002, "Public signature verification key", V2_0
    SYMMETRIC_AUTHENTICATION_KEY = 0x00000003, "Symmetric authentication key", V2_0
    PRIVATE_AUTHENTICATION_KEY = 0x00000004, "Private authentication key", V2_0
    PUBLIC_AUTHENTICATION_KEY = 0x00000005, "Public authentication key", V2_0
    SYMMETRIC_DATA_ENCRYPTION_KEY = 0x00000006, "Symmetric data encryption key", V2_0
    SYMMETRIC_KEY_WRAPPING_KEY = 0x00000007, "Symmetric key wrapping key", V2_0
    SYMMETRIC_RANDOM_NUMBER_GENERATION_KEY = 0x00000008, "Symmetric random number generation key", V2_0
    SYMMETRIC_MASTER_KEY = 0x00000009, "Symmetric master key", V2_0
    PRIVATE_KEY_TRANSPORT_KEY = 0x0000000A, "Private key transport key", V2_0
    PUBLIC_KEY_TRANSPORT_KEY = 0x0000000B, "Public key transport key", V2_0
    SYMMETRIC_KEY_AGREEMENT_KEY = 0x0000000C, "Symmetric key agreement key", V2_0
    PRIVATE_STATIC_KEY_AGREEMENT_KEY = 0x0000000D, "Private static key agreement key", V2_0
    PUBLIC_STATIC_KEY_AGREEMENT_KEY = 0x0000000E, "Public static key agreement key", V2_0
    PRIVATE_EPHEMERAL_KEY_AGREEMENT_KEY = 0x0000000F, "Private ephemeral key agreement key", V2_0
    PUBLIC_EPHEMERAL_KEY_AGREEMENT_KEY = 0x00000010, "Public ephemeral key agreement key", V2_0
    SYMMETRIC_AUTHORIZATION_KEY = 0x00000011, "Symmetric authorization key", V2_0
    PRIVATE_AUTHORIZATION_KEY = 0x00000012, "Private authorization key", V2_0
    PUBLIC_AUTHORIZATION_KEY = 0x00000013, "Public authorization key", V2_0


class NameType(Enumeration):
    """Name Type (KMIP 2.1 s11.31)."""

    UNINTERPRETED_TEXT_STRING = 0x00000001, "Uninterpreted Text String", V1_0
    URI = 0x00000002, "URI", V1_0


class ObjectGroupMember(Enumeration):
    """Object Group Member (KMIP 2.1 s11.33)."""

    GROUP_MEMBER_FRESH = 0x00000001, "Group Member Fresh", V1_1
    GROUP_MEMBER_DEFAULT = 0x00000002, "Group Member Default", V1_1


class ObjectType(Enumeration):
    """Object Type (KMIP 2.1 s11.34)."""

    CERTIFICATE = 0x00000001, "Certificate", V1_0
    SYMMETRIC_KEY = 0x00000002, "Symmetric Key", V1_0
    PUBLIC_KEY = 0x00000003, "Public Key", V1_0
    PRIVATE_KEY = 0x00000004, "Private Key", V1_0
    SPLIT_KEY = 0x00000005, "Split Key", V1_0
    TEMPLATE = 0x00000006, "Template", V1_0, V1_4
    SECRET_DATA = 0x00000007, "Secret Data", V1_0
    OPAQUE_OBJECT = 0x00000008, "Opaque Object", V1_0
    PGP_KEY = 0x00000009, "PGP Key", V1_2
    CERTIFICATE_REQUEST = 0x0000000A, "Certificate Request", V2_0


class OpaqueDataType(Enumeration):
    """Opaque Data Type (KMIP 2.1 s11.35)."""


class Operation(Enumeration):
    """Operation (KMIP 2.1 s11.36)."""

    CREATE = 0x00000001, "Create", V1_0
    CREATE_KEY_PAIR = 0x00000002, "Create Key Pair", V1_0
    REGISTER = 0x00000003, "Register", V1_0
    RE_KEY = 0x00000004, "Re-key", V1_0
    DERIVE_KEY = 0x00000005, "Derive Key", V1_0
    CERTIFY = 0x00000006, "Certify", V1_0
    RE_CERTIFY = 0x00000007, "Re-certify", V1_0
    LOCATE = 0x00000008, "Locate", V1_0
    CHECK = 0x00000009, "Check", V1_0
    GET = 0x0000000A, "Get", V1_0
    GET_ATTRIBUTES = 0x0000000B, "Get Attributes", V1_0
    GET_ATTRIBUTE_LIST = 0x0000000C, "Get Attribute List", V1_0
    ADD_ATTRIBUTE = 0x0000000D, "Add Attribute", V1_0
    MODIFY_ATTRIBUTE = 0x0000000E, "Modify Attribute", V1_0
    DELETE_ATTRIBUTE = 0x0000000F, "Delete Attribute", V1_0
    OBTAIN_LEASE = 0x00000010, "Obtain Lease", V1_0
    GET_USAGE_ALLOCATION = 0x00000011, "Get Usage Allocation", V1_0
    ACTIVATE = 0x00000012, "Activate", V1_0
    REVOKE = 0x00000013, "Revoke", V1_0
    DESTROY = 0x00000014, "Destroy", V1_0
    ARCHIVE = 0x00000015, "Archive", V1_0
    RECOVER = 0x00000016, "Recover", V1_0
    VALIDATE = 0x00000017, "Validate", V1_0
    QUERY = 0x00000018, "Query", V1_0
    CANCEL = 0x00000019, "Cancel", V1_0
    POLL = 0x0000001A, "Poll", V1_0
    NOTIFY = 0x0000001B, "Notify", V1_0
    PUT = 0x0000001C, "Put", V1_0
    RE_KEY_KEY_PAIR = 0x0000001D, "Re-key Key Pair", V1_1
    DISCOVER_VERSIONS = 0x0000001E, "Discover Versions", V1_1
    ENCRYPT = 0x0000001F, "Encrypt", V1_2
    DECRYPT = 0x00000020, "Decrypt", V1_2
    SIGN = 0x00000021, "Sign", V1_2
    SIGNATURE_VERIFY = 0x00000022, "Signature Verify", V1_2
    MAC = 0x00000023, "MAC", V1_2
    MAC_VERIFY = 0x00000024, "MAC Verify", V1_2
    RNG_RETRIEVE = 0x00000025, "RNG Retrieve", V1_2
    RNG_SEED = 0x00000026, "RNG Seed", V1_2
    HASH = 0x00000027, "Hash", V1_2
    CREATE_SPLIT_KEY = 0x00000028, "Create Split Key", V1_2
    JOIN_SPLIT_KEY = 0x00000029, "Join Split Key", V1_2
    IMPORT = 0x0000002A, "Import", V1_4
    EXPORT = 0x0000002B, "Export", V1_4
    LOG = 0x0000002C, "Log", V2_0
    LOGIN = 0x0000002D, "Login", V2_0
    LOGOUT = 0x0000002E, "Logout", V2_0
    DELEGATED_LOGIN = 0x0000002F, "Delegated Login", V2_0
    ADJUST_ATTRIBUTE = 0x00000030, "Adjust Attribute", V2_0
    SET_ATTRIBUTE = 0x00000031, "Set Attribute", V2_0
    SET_ENDPOINT_ROLE = 0x00000032, "Set Endpoint Role", V2_0
    PKCS11 = 0x00000033, "PKCS#11", V2_0
    INTEROP = 0x00000034, "Interop", V2_0
    RE_PROVISION = 0x00000035, "Re-Provision", V2_0
    SET_DEFAULTS = 0x00000036, "Set Defaults", V2_1
    SET_CONSTRAINTS = 0x00000037, "Set Constraints", V2_1
    GET_CONSTRAINTS = 0x00000038, "Get Constraints", V2_1
    QUERY_ASYNCHRONOUS_REQUESTS = 0x00000039, "Query Asynchronous Requests", V2_1
    PROCESS = 0x0000003A, "Process", V2_1
    PING = 0x0000003B, "Ping", V2_1


class PaddingMethod(Enumeration):
    """Padding Method (KMIP 2.1 s11.37)."""

    NONE = 0x00000001, "None", V1_0
    OAEP = 0x00000002, "OAEP", V1_0
    PKCS5 = 0x00000003, "PKCS5", V1_0
    SSL3 = 0x00000004, "SSL3", V1_0
    ZEROS = 0x00000005, "Zeros", V1_0
    ANSI_X9_23 = 0x00000006, "ANSI X9.23", V1_0
    ISO_10126 = 0x00000007, "ISO 10126", V1_0
    PKCS1_V1_5 = 0x00000008, "PKCS1 v1.5", V1_0
    X9_31 = 0x00000009, "X9.31", V1_0
    PSS = 0x0000000A, "PSS", V1_0


class ProcessingStage(Enumeration):
    """Processing Stage (KMIP 2.1 s11.40)."""

    SUBMITTED = 0x00000001, "Submitted", V2_1
    IN_PROCESS = 0x00000002, "In Process", V2_1
    COMPLETED = 0x00000003, "Completed", V2_1


class ProfileName(Enumeration):
    """Profile Name (KMIP 2.1 s11.41)."""

    BASELINE_SERVER_BASIC_KMIP_V1_2 = 0x00000001, "Baseline Server Basic KMIP v1.2", V1_3, V1_4
    BASELINE_SERVER_TLS_V1_2_KMIP_V1_2 = 0x00000002, "Baseline Server TLS v1.2 KMIP v1.2", V1_3, V1_4
    BASELINE_CLIENT_BASIC_KMIP_V1_2 = 0x00000003, "Baseline Client Basic KMIP v1.2", V1_3, V1_4
    BASELINE_CLIENT_TLS_V1_2_KMIP_V1_2 = 0x00000004, "Baseline Client TLS v1.2 KMIP v1.2", V1_3, V1_4
    COMPLETE_SERVER_BASIC_KMIP_V1_2 = 0x00000005, "Complete Server Basic KMIP v1.2", V1_3, V1_4
    COMPLETE_SERVER_TLS_V1_2_KMIP_V1_2 = 0x00000006, "Complete Server TLS v1.2 KMIP v1.2", V1_3, V1_4
    TAPE_LIBRARY_CLIENT_KMIP_V1_0 = 0x00000007, "Tape Library Client KMIP v1.0", V1_3, V1_4
    TAPE_LIBRARY_CLIENT_KMIP_V1_1 = 0x00000008, "Tape Library Client KMIP v1.1", V1_3, V1_4
    TAPE_LIBRARY_CLIENT_KMIP_V1_2 = 0x00000009, "Tape Library Client KMIP v1.2", V1_3, V1_4
    TAPE_LIBRARY_SERVER_KMIP_V1_0 = 0x0000000A, "Tape Library Server KMIP v1.0", V1_3, V1_4
    TAPE_LIBRARY_SERVER_KMIP_V1_1 = 0x0000000B, "Tape Library Server KMIP v1.1", V1_3, V1_4
    TAPE_LIBRARY_SERVER_KMIP_V1_2 = 0x0000000C, "Tape Library Server KMIP v1.2", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_0 = 0x0000000D, "Symmetric Key Lifecycle Client KMIP v1.0", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_1 = 0x0000000E, "Symmetric Key Lifecycle Client KMIP v1.1", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_2 = 0x0000000F, "Symmetric Key Lifecycle Client KMIP v1.2", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_0 = 0x00000010, "Symmetric Key Lifecycle Server KMIP v1.0", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_1 = 0x00000011, "Symmetric Key Lifecycle Server KMIP v1.1", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_2 = 0x00000012, "Symmetric Key Lifecycle Server KMIP v1.2", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_0 = 0x00000013, "Asymmetric Key Lifecycle Client KMIP v1.0", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_1 = 0x00000014, "Asymmetric Key Lifecycle Client KMIP v1.1", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_2 = 0x00000015, "Asymmetric Key Lifecycle Client KMIP v1.2", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_0 = 0x00000016, "Asymmetric Key Lifecycle Server KMIP v1.0", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_1 = 0x00000017, "Asymmetric Key Lifecycle Server KMIP v1.1", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_2 = 0x00000018, "Asymmetric Key Lifecycle Server KMIP v1.2", V1_3, V1_4
    BASIC_CRYPTOGRAPHIC_CLIENT_KMIP_V1_2 = 0x00000019, "Basic Cryptographic Client KMIP v1.2", V1_3, V1_4
    BASIC_CRYPTOGRAPHIC_SERVER_KMIP_V1_2 = 0x0000001A, "Basic Cryptographic Server KMIP v1.2", V1_3, V1_4
    ADVANCED_CRYPTOGRAPHIC_CLIENT_KMIP_V1_2 = 0x0000001B, "Advanced Cryptographic Client KMIP v1.2", V1_3, V1_4
    ADVANCED_CRYPTOGRAPHIC_SERVER_KMIP_V1_2 = 0x0000001C, "Advanced Cryptographic Server KMIP v1.2", V1_3, V1_4
    RNG_CRYPTOGRAPHIC_CLIENT_KMIP_V1_2 = 0x0000001D, "RNG Cryptographic Client KMIP v1.2", V1_3, V1_4
    RNG_CRYPTOGRAPHIC_SERVER_KMIP_V1_2 = 0x0000001E, "RNG Cryptographic Server KMIP v1.2", V1_3, V1_4
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_0 = (
        0x0000001F,
        "Basic Symmetric Key Foundry Client KMIP v1.0",
        V1_3,
        V1_4,
    )
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_0 = (
        0x00000020,
        "Intermediate Symmetric Key Foundry Client KMIP v1.0",
        V1_3,
        V1_4,
    )
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_0 = (
        0x00000021,
        "Advanced Symmetric Key Foundry Client KMIP v1.0",
        V1_3,
        V1_4,
    )
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_1 = (
        0x00000022,
        "Basic Symmetric Key Foundry Client KMIP v1.1",
        V1_3,
        V1_4,
    )
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_1 = (
        0x00000023,
        "Intermediate Symmetric Key Foundry Client KMIP v1.1",
        V1_3,
        V1_4,
    )
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_1 = (
        0x00000024,
        "Advanced Symmetric Key Foundry Client KMIP v1.1",
        V1_3,
        V1_4,
    )
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_2 = (
        0x00000025,
        "Basic Symmetric Key Foundry Client KMIP v1.2",
        V1_3,
        V1_4,
    )
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_2 = (
        0x00000026,
        "Intermediate Symmetric Key Foundry Client KMIP v1.2",
        V1_3,
        V1_4,
    )
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_2 = (
        0x00000027,
        "Advanced Symmetric Key Foundry Client KMIP v1.2",
        V1_3,
        V1_4,
    )
    SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_0 = 0x00000028, "Symmetric Key Foundry Server KMIP v1.0", V1_3, V1_4
    SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_1 = 0x00000029, "Symmetric Key Foundry Server KMIP v1.1", V1_3, V1_4
    SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_2 = 0x0000002A, "Symmetric Key Foundry Server KMIP v1.2", V1_3, V1_4
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT_KMIP_V1_0 = (
        0x0000002B,
        "Opaque Managed Object Store Client KMIP v1.0",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT_KMIP_V1_1 = (
        0x0000002C,
        "Opaque Managed Object Store Client KMIP v1.1",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT_KMIP_V1_2 = (
        0x0000002D,
        "Opaque Managed Object Store Client KMIP v1.2",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_0 = (
        0x0000002E,
        "Opaque Managed Object Store Server KMIP v1.0",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_1 = (
        0x0000002F,
        "Opaque Managed Object Store Server KMIP v1.1",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_2 = (
        0x00000030,
        "Opaque Managed Object Store Server KMIP v1.2",
        V1_3,
        V1_4,
    )
    SUITE_B_MINLOS_128_CLIENT_KMIP_V1_0 = 0x00000031, "Suite B minLOS_128 Client KMIP v1.0", V1_3, V1_4
    SUITE_B_MINLOS_128_CLIENT_KMIP_V1_1 = 0x00000032, "Suite B minLOS_128 Client KMIP v1.1", V1_3, V1_4
    SUITE_B_MINLOS_128_CLIENT_KMIP_V1_2 = 0x00000033, "Suite B minLOS_128 Client KMIP v1.2", V1_3, V1_4
    SUITE_B_MINLOS_128_SERVER_KMIP_V1_0 = 0x00000034, "Suite B minLOS_128 Server KMIP v1.0", V1_3, V1_4
    SUITE_B_MINLOS_128_SERVER_KMIP_V1_1 = 0x00000035, "Suite B minLOS_128 Server KMIP v1.1", V1_3, V1_4
    SUITE_B_MINLOS_128_SERVER_KMIP_V1_2 = 0x00000036, "Suite B minLOS_128 Server KMIP v1.2", V1_3, V1_4
    SUITE_B_MINLOS_192_CLIENT_KMIP_V1_0 = 0x00000037, "Suite B minLOS_192 Client KMIP v1.0", V1_3, V1_4
    SUITE_B_MINLOS_192_CLIENT_KMIP_V1_1 = 0x00000038, "Suite B minLOS_192 Client KMIP v1.1", V1_3, V1_4
    SUITE_B_MINLOS_192_CLIENT_KMIP_V1_2 = 0x00000039, "Suite B minLOS_192 Client KMIP v1.2", V1_3, V1_4
    SUITE_B_MINLOS_192_SERVER_KMIP_V1_0 = 0x0000003A, "Suite B minLOS_192 Server KMIP v1.0", V1_3, V1_4
    SUITE_B_MINLOS_192_SERVER_KMIP_V1_1 = 0x0000003B, "Suite B minLOS_192 Server KMIP v1.1", V1_3, V1_4
    SUITE_B_MINLOS_192_SERVER_KMIP_V1_2 = 0x0000003C, "Suite B minLOS_192 Server KMIP v1.2", V1_3, V1_4
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT_KMIP_V1_0 = (
        0x0000003D,
        "Storage Array with Self Encrypting Drive Client KMIP v1.0",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT_KMIP_V1_1 = (
        0x0000003E,
        "Storage Array with Self Encrypting Drive Client KMIP v1.1",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT_KMIP_V1_2 = (
        0x0000003F,
        "Storage Array with Self Encrypting Drive Client KMIP v1.2",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_0 = (
        0x00000040,
        "Storage Array with Self Encrypting Drive Server KMIP v1.0",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_1 = (
        0x00000041,
        "Storage Array with Self Encrypting Drive Server KMIP v1.1",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_2 = (
        0x00000042,
        "Storage Array with Self Encrypting Drive Server KMIP v1.2",
        V1_3,
        V1_4,
    )
    HTTPS_CLIENT_KMIP_V1_0 = 0x00000043, "HTTPS Client KMIP v1.0", V1_3, V1_4
    HTTPS_CLIENT_KMIP_V1_1 = 0x00000044, "HTTPS Client KMIP v1.1", V1_3, V1_4
    HTTPS_CLIENT_KMIP_V1_2 = 0x00000045, "HTTPS Client KMIP v1.2", V1_3, V1_4
    HTTPS_SERVER_KMIP_V1_0 = 0x00000046, "HTTPS Server KMIP v1.0", V1_3, V1_4
    HTTPS_SERVER_KMIP_V1_1 = 0x00000047, "HTTPS Server KMIP v1.1", V1_3, V1_4
    HTTPS_SERVER_KMIP_V1_2 = 0x00000048, "HTTPS Server KMIP v1.2", V1_3, V1_4
    JSON_CLIENT_KMIP_V1_0 = 0x00000049, "JSON Client KMIP v1.0", V1_3, V1_4
    JSON_CLIENT_KMIP_V1_1 = 0x0000004A, "JSON Client KMIP v1.1", V1_3, V1_4
    JSON_CLIENT_KMIP_V1_2 = 0x0000004B, "JSON Client KMIP v1.2", V1_3, V1_4
    JSON_SERVER_KMIP_V1_0 = 0x0000004C, "JSON Server KMIP v1.0", V1_3, V1_4
    JSON_SERVER_KMIP_V1_1 = 0x0000004D, "JSON Server KMIP v1.1", V1_3, V1_4
    JSON_SERVER_KMIP_V1_2 = 0x0000004E, "JSON Server KMIP v1.2", V1_3, V1_4
    XML_CLIENT_KMIP_V1_0 = 0x0000004F, "XML Client KMIP v1.0", V1_3, V1_4
    XML_CLIENT_KMIP_V1_1 = 0x00000050, "XML Client KMIP v1.1", V1_3, V1_4
    XML_CLIENT_KMIP_V1_2 = 0x00000051, "XML Client KMIP v1.2", V1_3, V1_4
    XML_SERVER_KMIP_V1_0 = 0x00000052, "XML Server KMIP v1.0", V1_3, V1_4
    XML_SERVER_KMIP_V1_1 = 0x00000053, "XML Server KMIP v1.1", V1_3, V1_4
    XML_SERVER_KMIP_V1_2 = 0x00000054, "XML Server KMIP v1.2", V1_3, V1_4
    BASELINE_SERVER_BASIC_KMIP_V1_3 = 0x00000055, "Baseline Server Basic KMIP v1.3", V1_3, V1_4
    BASELINE_SERVER_TLS_V1_2_KMIP_V1_3 = 0x00000056, "Baseline Server TLS v1.2 KMIP v1.3", V1_3, V1_4
    BASELINE_CLIENT_BASIC_KMIP_V1_3 = 0x00000057, "Baseline Client Basic KMIP v1.3", V1_3, V1_4
    BASELINE_CLIENT_TLS_V1_2_KMIP_V1_3 = 0x00000058, "Baseline Client TLS v1.2 KMIP v1.3", V1_3, V1_4
    COMPLETE_SERVER_BASIC_KMIP_V1_3 = 0x00000059, "Complete Server Basic KMIP v1.3", V1_3, V1_4
    COMPLETE_SERVER_TLS_V1_2_KMIP_V1_3 = 0x0000005A, "Complete Server TLS v1.2 KMIP v1.3", V1_3, V1_4
    TAPE_LIBRARY_CLIENT_KMIP_V1_3 = 0x0000005B, "Tape Library Client KMIP v1.3", V1_3, V1_4
    TAPE_LIBRARY_SERVER_KMIP_V1_3 = 0x0000005C, "Tape Library Server KMIP v1.3", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_3 = 0x0000005D, "Symmetric Key Lifecycle Client KMIP v1.3", V1_3, V1_4
    SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_3 = 0x0000005E, "Symmetric Key Lifecycle Server KMIP v1.3", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_3 = 0x0000005F, "Asymmetric Key Lifecycle Client KMIP v1.3", V1_3, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_3 = 0x00000060, "Asymmetric Key Lifecycle Server KMIP v1.3", V1_3, V1_4
    BASIC_CRYPTOGRAPHIC_CLIENT_KMIP_V1_3 = 0x00000061, "Basic Cryptographic Client KMIP v1.3", V1_3, V1_4
    BASIC_CRYPTOGRAPHIC_SERVER_KMIP_V1_3 = 0x00000062, "Basic Cryptographic Server KMIP v1.3", V1_3, V1_4
    ADVANCED_CRYPTOGRAPHIC_CLIENT_KMIP_V1_3 = 0x00000063, "Advanced Cryptographic Client KMIP v1.3", V1_3, V1_4
    ADVANCED_CRYPTOGRAPHIC_SERVER_KMIP_V1_3 = 0x00000064, "Advanced Cryptographic Server KMIP v1.3", V1_3, V1_4
    RNG_CRYPTOGRAPHIC_CLIENT_KMIP_V1_3 = 0x00000065, "RNG Cryptographic Client KMIP v1.3", V1_3, V1_4
    RNG_CRYPTOGRAPHIC_SERVER_KMIP_V1_3 = 0x00000066, "RNG Cryptographic Server KMIP v1.3", V1_3, V1_4
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_3 = (
        0x00000067,
        "Basic Symmetric Key Foundry Client KMIP v1.3",
        V1_3,
        V1_4,
    )
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_3 = (
        0x00000068,
        "Intermediate Symmetric Key Foundry Client KMIP v1.3",
        V1_3,
        V1_4,
    )
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_3 = (
        0x00000069,
        "Advanced Symmetric Key Foundry Client KMIP v1.3",
        V1_3,
        V1_4,
    )
    SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_3 = 0x0000006A, "Symmetric Key Foundry Server KMIP v1.3", V1_3, V1_4
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT_KMIP_V1_3 = (
        0x0000006B,
        "Opaque Managed Object Store Client KMIP v1.3",
        V1_3,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_3 = (
        0x0000006C,
        "Opaque Managed Object Store Server KMIP v1.3",
        V1_3,
        V1_4,
    )
    SUITE_B_MINLOS_128_CLIENT_KMIP_V1_3 = 0x0000006D, "Suite B minLOS_128 Client KMIP v1.3", V1_3, V1_4
    SUITE_B_MINLOS_128_SERVER_KMIP_V1_3 = 0x0000006E, "Suite B minLOS_128 Server KMIP v1.3", V1_3, V1_4
    SUITE_B_MINLOS_192_CLIENT_KMIP_V1_3 = 0x0000006F, "Suite B minLOS_192 Client KMIP v1.3", V1_3, V1_4
    SUITE_B_MINLOS_192_SERVER_KMIP_V1_3 = 0x00000070, "Suite B minLOS_192 Server KMIP v1.3", V1_3, V1_4
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT_KMIP_V1_3 = (
        0x00000071,
        "Storage Array with Self Encrypting Drive Client KMIP v1.3",
        V1_3,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_3 = (
        0x00000072,
        "Storage Array with Self Encrypting Drive Server KMIP v1.3",
        V1_3,
        V1_4,
    )
    HTTPS_CLIENT_KMIP_V1_3 = 0x00000073, "HTTPS Client KMIP v1.3", V1_3, V1_4
    HTTPS_SERVER_KMIP_V1_3 = 0x00000074, "HTTPS Server KMIP v1.3", V1_3, V1_4
    JSON_CLIENT_KMIP_V1_3 = 0x00000075, "JSON Client KMIP v1.3", V1_3, V1_4
    JSON_SERVER_KMIP_V1_3 = 0x00000076, "JSON Server KMIP v1.3", V1_3, V1_4
    XML_CLIENT_KMIP_V1_3 = 0x00000077, "XML Client KMIP v1.3", V1_3, V1_4
    XML_SERVER_KMIP_V1_3 = 0x00000078, "XML Server KMIP v1.3", V1_3, V1_4
    BASELINE_SERVER_BASIC_KMIP_V1_4 = 0x00000079, "Baseline Server Basic KMIP v1.4", V1_4, V1_4
    BASELINE_SERVER_TLS_V1_2_KMIP_V1_4 = 0x0000007A, "Baseline Server TLS v1.2 KMIP v1.4", V1_4, V1_4
    BASELINE_CLIENT_BASIC_KMIP_V1_4 = 0x0000007B, "Baseline Client Basic KMIP v1.4", V1_4, V1_4
    BASELINE_CLIENT_TLS_V1_2_KMIP_V1_4 = 0x0000007C, "Baseline Client TLS v1.2 KMIP v1.4", V1_4, V1_4
    COMPLETE_SERVER_BASIC_KMIP_V1_4 = 0x0000007D, "Complete Server Basic KMIP v1.4", V1_4, V1_4
    COMPLETE_SERVER_TLS_V1_2_KMIP_V1_4 = 0x0000007E, "Complete Server TLS v1.2 KMIP v1.4", V1_4, V1_4
    TAPE_LIBRARY_CLIENT_KMIP_V1_4 = 0x0000007F, "Tape Library Client KMIP v1.4", V1_4, V1_4
    TAPE_LIBRARY_SERVER_KMIP_V1_4 = 0x00000080, "Tape Library Server KMIP v1.4", V1_4, V1_4
    SYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_4 = 0x00000081, "Symmetric Key Lifecycle Client KMIP v1.4", V1_4, V1_4
    SYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_4 = 0x00000082, "Symmetric Key Lifecycle Server KMIP v1.4", V1_4, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT_KMIP_V1_4 = 0x00000083, "Asymmetric Key Lifecycle Client KMIP v1.4", V1_4, V1_4
    ASYMMETRIC_KEY_LIFECYCLE_SERVER_KMIP_V1_4 = 0x00000084, "Asymmetric Key Lifecycle Server KMIP v1.4", V1_4, V1_4
    BASIC_CRYPTOGRAPHIC_CLIENT_KMIP_V1_4 = 0x00000085, "Basic Cryptographic Client KMIP v1.4", V1_4, V1_4
    BASIC_CRYPTOGRAPHIC_SERVER_KMIP_V1_4 = 0x00000086, "Basic Cryptographic Server KMIP v1.4", V1_4, V1_4
    ADVANCED_CRYPTOGRAPHIC_CLIENT_KMIP_V1_4 = 0x00000087, "Advanced Cryptographic Client KMIP v1.4", V1_4, V1_4
    ADVANCED_CRYPTOGRAPHIC_SERVER_KMIP_V1_4 = 0x00000088, "Advanced Cryptographic Server KMIP v1.4", V1_4, V1_4
    RNG_CRYPTOGRAPHIC_CLIENT_KMIP_V1_4 = 0x00000089, "RNG Cryptographic Client KMIP v1.4", V1_4, V1_4
    RNG_CRYPTOGRAPHIC_SERVER_KMIP_V1_4 = 0x0000008A, "RNG Cryptographic Server KMIP v1.4", V1_4, V1_4
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_4 = (
        0x0000008B,
        "Basic Symmetric Key Foundry Client KMIP v1.4",
        V1_4,
        V1_4,
    )
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_4 = (
        0x0000008C,
        "Intermediate Symmetric Key Foundry Client KMIP v1.4",
        V1_4,
        V1_4,
    )
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT_KMIP_V1_4 = (
        0x0000008D,
        "Advanced Symmetric Key Foundry Client KMIP v1.4",
        V1_4,
        V1_4,
    )
    SYMMETRIC_KEY_FOUNDRY_SERVER_KMIP_V1_4 = 0x0000008E, "Symmetric Key Foundry Server KMIP v1.4", V1_4, V1_4
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT_KMIP_V1_4 = (
        0x0000008F,
        "Opaque Managed Object Store Client KMIP v1.4",
        V1_4,
        V1_4,
    )
    OPAQUE_MANAGED_OBJECT_STORE_SERVER_KMIP_V1_4 = (
        0x00000090,
        "Opaque Managed Object Store Server KMIP v1.4",
        V1_4,
        V1_4,
    )
    SUITE_B_MINLOS_128_CLIENT_KMIP_V1_4 = 0x00000091, "Suite B minLOS_128 Client KMIP v1.4", V1_4, V1_4
    SUITE_B_MINLOS_128_SERVER_KMIP_V1_4 = 0x00000092, "Suite B minLOS_128 Server KMIP v1.4", V1_4, V1_4
    SUITE_B_MINLOS_192_CLIENT_KMIP_V1_4 = 0x00000093, "Suite B minLOS_192 Client KMIP v1.4", V1_4, V1_4
    SUITE_B_MINLOS_192_SERVER_KMIP_V1_4 = 0x00000094, "Suite B minLOS_192 Server KMIP v1.4", V1_4, V1_4
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT_KMIP_V1_4 = (
        0x00000095,
        "Storage Array with Self Encrypting Drive Client KMIP v1.4",
        V1_4,
        V1_4,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER_KMIP_V1_4 = (
        0x00000096,
        "Storage Array with Self Encrypting Drive Server KMIP v1.4",
        V1_4,
        V1_4,
    )
    HTTPS_CLIENT_KMIP_V1_4 = 0x00000097, "HTTPS Client KMIP v1.4", V1_4, V1_4
    HTTPS_SERVER_KMIP_V1_4 = 0x00000098, "HTTPS Server KMIP v1.4", V1_4, V1_4
    JSON_CLIENT_KMIP_V1_4 = 0x00000099, "JSON Client KMIP v1.4", V1_4, V1_4
    JSON_SERVER_KMIP_V1_4 = 0x0000009A, "JSON Server KMIP v1.4", V1_4, V1_4
    XML_CLIENT_KMIP_V1_4 = 0x0000009B, "XML Client KMIP v1.4", V1_4, V1_4
    XML_SERVER_KMIP_V1_4 = 0x0000009C, "XML Server KMIP v1.4", V1_4, V1_4
    COMPLETE_SERVER_BASIC = 0x00000104, "Complete Server Basic", V2_0
    COMPLETE_SERVER_TLS_V1_2 = 0x00000105, "Complete Server TLS v1.2", V2_0
    TAPE_LIBRARY_CLIENT = 0x00000106, "Tape Library Client", V2_0
    TAPE_LIBRARY_SERVER = 0x00000107, "Tape Library Server", V2_0
    SYMMETRIC_KEY_LIFECYCLE_CLIENT = 0x00000108, "Symmetric Key Lifecycle Client", V2_0
    SYMMETRIC_KEY_LIFECYCLE_SERVER = 0x00000109, "Symmetric Key Lifecycle Server", V2_0
    ASYMMETRIC_KEY_LIFECYCLE_CLIENT = 0x0000010A, "Asymmetric Key Lifecycle Client", V2_0
    ASYMMETRIC_KEY_LIFECYCLE_SERVER = 0x0000010B, "Asymmetric Key Lifecycle Server", V2_0
    BASIC_CRYPTOGRAPHIC_CLIENT = 0x0000010C, "Basic Cryptographic Client", V2_0
    BASIC_CRYPTOGRAPHIC_SERVER = 0x0000010D, "Basic Cryptographic Server", V2_0
    ADVANCED_CRYPTOGRAPHIC_CLIENT = 0x0000010E, "Advanced Cryptographic Client", V2_0
    ADVANCED_CRYPTOGRAPHIC_SERVER = 0x0000010F, "Advanced Cryptographic Server", V2_0
    RNG_CRYPTOGRAPHIC_CLIENT = 0x00000110, "RNG Cryptographic Client", V2_0
    RNG_CRYPTOGRAPHIC_SERVER = 0x00000111, "RNG Cryptographic Server", V2_0
    BASIC_SYMMETRIC_KEY_FOUNDRY_CLIENT = 0x00000112, "Basic Symmetric Key Foundry Client", V2_0
    INTERMEDIATE_SYMMETRIC_KEY_FOUNDRY_CLIENT = 0x00000113, "Intermediate Symmetric Key Foundry Client", V2_0
    ADVANCED_SYMMETRIC_KEY_FOUNDRY_CLIENT = 0x00000114, "Advanced Symmetric Key Foundry Client", V2_0
    SYMMETRIC_KEY_FOUNDRY_SERVER = 0x00000115, "Symmetric Key Foundry Server", V2_0
    OPAQUE_MANAGED_OBJECT_STORE_CLIENT = 0x00000116, "Opaque Managed Object Store Client", V2_0
    OPAQUE_MANAGED_OBJECT_STORE_SERVER = 0x00000117, "Opaque Managed Object Store Server", V2_0
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_CLIENT = (
        0x0000011C,
        "Storage Array with Self Encrypting Drive Client",
        V2_0,
    )
    STORAGE_ARRAY_WITH_SELF_ENCRYPTING_DRIVE_SERVER = (
        0x0000011D,
        "Storage Array with Self Encrypting Drive Server",
        V2_0,
    )
    HTTPS_CLIENT = 0x0000011E, "HTTPS Client", V2_0
    HTTPS_SERVER = 0x0000011F, "HTTPS Server", V2_0
    JSON_CLIENT = 0x00000120, "JSON Client", V2_0
    JSON_SERVER = 0x00000121, "JSON Server", V2_0
    XML_CLIENT = 0x00000122, "XML Client", V2_0
    XML_SERVER = 0x00000123, "XML Server", V2_0
    AES_XTS_CLIENT = 0x00000124, "AES XTS Client", V2_0
    AES_XTS_SERVER = 0x00000125, "AES XTS Server", V2_0
    QUANTUM_SAFE_CLIENT = 0x00000126, "Quantum Safe Client", V2_0
    QUANTUM_SAFE_SERVER = 0x00000127, "Quantum Safe Server", V2_0
    PKCS11_CLIENT = 0x00000128, "PKCS#11 Client", V2_0
    PKCS11_SERVER = 0x00000129, "PKCS#11 Server", V2_0
    BASELINE_CLIENT = 0x0000012A, "Baseline Client", V2_0
    BASELINE_SERVER = 0x0000012B, "Baseline Server", V2_0
    COMPLETE_SERVER = 0x0000012C, "Complete Server", V2_0


class ProtectionLevel(Enumeration):
    """Protection Level (KMIP 2.1 s11.42)."""

    HIGH = 0x00000001, "High", V2_0
    LOW = 0x00000002, "Low", V2_0


class ProtectionStorageMask(Mask):
    """Protection Storage Mask (KMIP 2.1 s12.2)."""

    SOFTWARE = 0x00000001, "Software", V2_0
    HARDWARE = 0x00000002, "Hardware", V2_0
    ON_PROCESSOR = 0x00000004, "On Processor", V2_0
    ON_SYSTEM = 0x00000008, "On System", V2_0
    OFF_SYSTEM = 0x00000010, "Off System", V2_0
    HYPERVISOR = 0x00000020, "Hypervisor", V2_0
    OPERATING_SYSTEM = 0x00000040, "Operating System", V2_0
    CONTAINER = 0x00000080, "Container", V2_0
    ON_PREMISES = 0x00000100, "On Premises", V2_0
    OFF_PREMISES = 0x00000200, "Off Premises", V2_0
    SELF_MANAGED = 0x00000400, "Self Managed", V2_0
    OUTSOURCED = 0x00000800, "Outsourced", V2_0
    VALIDATED = 0x00001000, "Validated", V2_0
    SAME_JURISDICTION = 0x00002000, "Same Jurisdiction", V2_0


class PutFunction(Enumeration):
    """Put Function (KMIP 2.1 s11.43)."""

    NEW = 0x00000001, "New", V1_0
    REPLACE = 0x00000002, "Replace", V1_0


class QueryFunction(Enumeration):
    """Query Function (KMIP 2.1 s11.44)."""

    QUERY_OPERATIONS = 0x00000001, "Query Operations", V1_0
    QUERY_OBJECTS = 0x00000002, "Query Objects", V1_0
    QUERY_SERVER_INFORMATION = 0x00000003, "Query Server Information", V1_0
    QUERY_APPLICATION_NAMESPACES = 0x00000004, "Query Application Namespaces", V1_0
    QUERY_EXTENSION_LIST = 0x00000005, "Query Extension List", V1_1
    QUERY_EXTENSION_MAP = 0x00000006, "Query Extension Map", V1_1
    QUERY_ATTESTATION_TYPES = 0x00000007, "Query Attestation Types", V1_2
    QUERY_RNGS = 0x00000008, "Query RNGs", V1_3
    QUERY_VALIDATIONS = 0x00000009, "Query Validations", V1_3
    QUERY_PROFILES = 0x0000000A, "Query Profiles", V1_3
    QUERY_CAPABILITIES = 0x0000000B, "Query Capabilities", V1_3
    QUERY_CLIENT_REGISTRATION_METHODS = 0x0000000C, "Query Client Registration Methods", V1_3
    QUERY_DEFAULTS_INFORMATION = 0x0000000D, "Query Defaults Information", V2_0
    QUERY_STORAGE_PROTECTION_MASKS = 0x0000000E, "Query Storage Protection Masks", V2_0


class RNGAlgorithm(Enumeration):
    """RNG Algorithm (KMIP 2.1 s11.49)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    FIPS_186_2 = 0x00000002, "FIPS 186-2", V1_3
    DRBG = 0x00000003, "DRBG", V1_3
    NRBG = 0x00000004, "NRBG", V1_3
    ANSI_X9_31 = 0x00000005, "ANSI X9.31", V1_3
    ANSI_X9_62 = 0x00000006, "ANSI X9.62", V1_3


class RNGMode(Enumeration):
    """RNG Mode (KMIP 2.1 s11.50)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    SHARED_INSTANTIATION = 0x00000002, "Shared Instantiation", V1_3
    NON_SHARED_INSTANTIATION = 0x00000003, "Non-Shared Instantiation", V1_3


class RecommendedCurve(Enumeration):
    """Recommended Curve (KMIP 2.1 s11.45)."""

    P_192 = 0x00000001, "P-192", V1_0
    K_163 = 0x00000002, "K-163", V1_0
    B_163 = 0x00000003, "B-163", V1_0
    P_224 = 0x00000004, "P-224", V1_0
    K_233 = 0x00000005, "K-233", V1_0
    B_233 = 0x00000006, "B-233", V1_0
    P_256 = 0x00000007, "P-256", V1_0
    K_283 = 0x00000008, "K-283", V1_0
    B_283 = 0x00000009, "B-283", V1_0
    P_384 = 0x0000000A, "P-384", V1_0
    K_409 = 0x0000000B, "K-409", V1_0
    B_409 = 0x0000000C, "B-409", V1_0
    P_521 = 0x0000000D, "P-521", V1_0
    K_571 = 0x0000000E, "K-571", V1_0
    B_571 = 0x0000000F, "B-571", V1_0
    SECP112R1 = 0x00000010, "SECP112R1", V1_2
    SECP112R2 = 0x00000011, "SECP112R2", V1_2
    SECP128R1 = 0x00000012, "SECP128R1", V1_2
    SECP128R2 = 0x00000013, "SECP128R2", V1_2
    SECP160K1 = 0x00000014, "SECP160K1", V1_2
    SECP160R1 = 0x00000015, "SECP160R1", V1_2
    SECP160R2 = 0x00000016, "SECP160R2", V1_2
    SECP192K1 = 0x00000017, "SECP192K1", V1_2
    SECP224K1 = 0x00000018, "SECP224K1", V1_2
    SECP256K1 = 0x00000019, "SECP256K1", V1_2
    SECT113R1 = 0x0000001A, "SECT113R1", V1_2
    SECT113R2 = 0x0000001B, "SECT113R2", V1_2
    SECT131R1 = 0x0000001C, "SECT131R1", V1_2
    SECT131R2 = 0x0000001D, "SECT131R2", V1_2
    SECT163R1 = 0x0000001E, "SECT163R1", V1_2
    SECT193R1 = 0x0000001F, "SECT193R1", V1_2
    SECT193R2 = 0x00000020, "SECT193R2", V1_2
    SECT239K1 = 0x00000021, "SECT239K1", V1_2
    ANSIX9P192V2 = 0x00000022, "ANSIX9P192V2", V1_2
    ANSIX9P192V3 = 0x00000023, "ANSIX9P192V3", V1_2
    ANSIX9P239V1 = 0x00000024, "ANSIX9P239V1", V1_2
    ANSIX9P239V2 = 0x00000025, "ANSIX9P239V2", V1_2
    ANSIX9P239V3 = 0x00000026, "ANSIX9P239V3", V1_2
    ANSIX9C2PNB163V1 = 0x00000027, "ANSIX9C2PNB163V1", V1_2
    ANSIX9C2PNB163V2 = 0x00000028, "ANSIX9C2PNB163V2", V1_2
    ANSIX9C2PNB163V3 = 0x00000029, "ANSIX9C2PNB163V3", V1_2
    ANSIX9C2PNB176V1 = 0x0000002A, "ANSIX9C2PNB176V1", V1_2
    ANSIX9C2TNB191V1 = 0x0000002B, "ANSIX9C2TNB191V1", V1_2
    ANSIX9C2TNB191V2 = 0x0000002C, "ANSIX9C2TNB191V2", V1_2
    ANSIX9C2TNB191V3 = 0x0000002D, "ANSIX9C2TNB191V3", V1_2
    ANSIX9C2PNB208W1 = 0x0000002E, "ANSIX9C2PNB208W1", V1_2
    ANSIX9C2TNB239V1 = 0x0000002F, "ANSIX9C2TNB239V1", V1_2
    ANSIX9C2TNB239V2 = 0x00000030, "ANSIX9C2TNB239V2", V1_2
    ANSIX9C2TNB239V3 = 0x00000031, "ANSIX9C2TNB239V3", V1_2
    ANSIX9C2PNB272W1 = 0x00000032, "ANSIX9C2PNB272W1", V1_2
    ANSIX9C2PNB304W1 = 0x00000033, "ANSIX9C2PNB304W1", V1_2
    ANSIX9C2TNB359V1 = 0x00000034, "ANSIX9C2TNB359V1", V1_2
    ANSIX9C2PNB368W1 = 0x00000035, "ANSIX9C2PNB368W1", V1_2
    ANSIX9C2TNB431R1 = 0x00000036, "ANSIX9C2TNB431R1", V1_2
    BRAINPOOLP160R1 = 0x00000037, "BRAINPOOLP160R1", V1_2
    BRAINPOOLP160T1 = 0x00000038, "BRAINPOOLP160T1", V1_2
    BRAINPOOLP192R1 = 0x00000039, "BRAINPOOLP192R1", V1_2
    BRAINPOOLP192T1 = 0x0000003A, "BRAINPOOLP192T1", V1_2
    BRAINPOOLP224R1 = 0x0000003B, "BRAINPOOLP224R1", V1_2
    BRAINPOOLP224T1 = 0x0000003C, "BRAINPOOLP224T1", V1_2
    BRAINPOOLP256R1 = 0x0000003D, "BRAINPOOLP256R1", V1_2
    BRAINPOOLP256T1 = 0x0000003E, "BRAINPOOLP256T1", V1_2
    BRAINPOOLP320R1 = 0x0000003F, "BRAINPOOLP320R1", V1_2
    BRAINPOOLP320T1 = 0x00000040, "BRAINPOOLP320T1", V1_2
    BRAINPOOLP384R1 = 0x00000041, "BRAINPOOLP384R1", V1_2
    BRAINPOOLP384T1 = 0x00000042, "BRAINPOOLP384T1", V1_2
    BRAINPOOLP512R1 = 0x00000043, "BRAINPOOLP512R1", V1_2
    BRAINPOOLP512T1 = 0x00000044, "BRAINPOOLP512T1", V1_2
    CURVE25519 = 0x00000045, "CURVE25519", V2_0
    CURVE448 = 0x00000046, "CURVE448", V2_0


class ResultReason(Enumeration):
    """Result Reason (KMIP 2.1 s11.46)."""

    ITEM_NOT_FOUND = 0x00000001, "Item Not Found", V1_0
    RESPONSE_TOO_LARGE = 0x00000002, "Response Too Large", V1_0
    AUTHENTICATION_NOT_SUCCESSFUL = 0x00000003, "Authentication Not Successful", V1_0
    INVALID_MESSAGE = 0x00000004, "Invalid Message", V1_0
    OPERATION_NOT_SUPPORTED = 0x00000005, "Operation Not Supported", V1_0
    MISSING_DATA = 0x00000006, "Missing Data", V1_0
    INVALID_FIELD = 0x00000007, "Invalid Field", V1_0
    FEATURE_NOT_SUPPORTED = 0x00000008, "Feature Not Supported", V1_0
    OPERATION_CANCELED_BY_REQUESTER = 0x00000009, "Operation Canceled By Requester", V1_0
    CRYPTOGRAPHIC_FAILURE = 0x0000000A, "Cryptographic Failure", V1_0
    ILLEGAL_OPERATION = 0x0000000B, "Illegal Operation", V1_0, V1_4
    PERMISSION_DENIED = 0x0000000C, "Permission Denied", V1_0
    OBJECT_ARCHIVED = 0x0000000D, "Object Archived", V1_0
    INDEX_OUT_OF_BOUNDS = 0x0000000E, "Index Out of Bounds", V1_0, V1_4
    APPLICATION_NAMESPACE_NOT_SUPPORTED = 0x0000000F, "Application Namespace Not Supported", V1_0
    KEY_FORMAT_TYPE_NOT_SUPPORTED = 0x00000010, "Key Format Type Not Supported", V1_0
    KEY_COMPRESSION_TYPE_NOT_SUPPORTED = 0x00000011, "Key Compression Type Not Supported", V1_0
    ENCODING_OPTION_ERROR = 0x00000012, "Encoding Option Error", V1_1
    KEY_VALUE_NOT_PRESENT = 0x00000013, "Key Value Not Present", V1_2
    ATTESTATION_REQUIRED = 0x00000014, "Attestation Required", V1_2
    ATTESTATION_FAILED = 0x00000015, "Attestation Failed", V1_2
    SENSITIVE = 0x00000016, "Sensitive", V1_4
    NOT_EXTRACTABLE = 0x00000017, "Not Extractable", V1_4
    OBJECT_ALREADY_EXISTS = 0x00000018, "Object Already Exists", V1_4
    INVALID_TICKET = 0x00000019, "Invalid Ticket", V2_0
    USAGE_LIMIT_EXCEEDED = 0x0000001A, "Usage Limit Exceeded", V2_0
    NUMERIC_RANGE = 0x0000001B, "Numeric Range", V2_0
    INVALID_DATA_TYPE = 0x0000001C, "Invalid Data Type", V2_0
    READ_ONLY_ATTRIBUTE = 0x0000001D, "Read Only Attribute", V2_0
    MULTI_VALUED_ATTRIBUTE = 0x0000001E, "Multi Valued Attribute", V2_0
    UNSUPPORTED_ATTRIBUTE = 0x0000001F, "Unsupported Attribute", V2_0
    ATTRIBUTE_INSTANCE_NOT_FOUND = 0x00000020, "Attribute Instance Not Found", V2_0
    ATTRIBUTE_NOT_FOUND = 0x00000021, "Attribute Not Found", V2_0
    ATTRIBUTE_READ_ONLY = 0x00000022, "Attribute Read Only", V2_0
    ATTRIBUTE_SINGLE_VALUED = 0x00000023, "Attribute Single Valued", V2_0
    BAD_CRYPTOGRAPHIC_PARAMETERS = 0x00000024, "Bad Cryptographic Parameters", V2_0
    BAD_PASSWORD = 0x00000025, "Bad Password", V2_0
    CODEC_ERROR = 0x00000026, "Codec Error", V2_0
    ILLEGAL_OBJECT_TYPE = 0x00000028, "Illegal Object Type", V2_0
    INCOMPATIBLE_CRYPTOGRAPHIC_USAGE_MASK = 0x00000029, "Incompatible Cryptographic Usage Mask", V2_0
    INTERNAL_SERVER_ERROR = 0x0000002A, "Internal Server Error", V2_0
    INVALID_ASYNCHRONOUS_CORRELATION_VALUE = 0x0000002B, "Invalid Asynchronous Correlation Value", V2_0
    INVALID_ATTRIBUTE = 0x0000002C, "Invalid Attribute", V2_0
    INVALID_ATTRIBUTE_VALUE = 0x0000002D, "Invalid Attribute Value", V2_0
    INVALID_CORRELATION_VALUE = 0x0000002E, "Invalid Correlation Value", V2_0
    INVALID_CSR = 0x0000002F, "Invalid CSR", V2_0
    INVALID_OBJECT_TYPE = 0x00000030, "Invalid Object Type", V2_0
    KEY_WRAP_TYPE_NOT_SUPPORTED = 0x00000032, "Key Wrap Type Not Supported", V2_0
    MISSING_INITIALIZATION_VECTOR = 0x00000034, "Missing Initialization Vector", V2_0
    NON_UNIQUE_NAME_ATTRIBUTE = 0x00000035, "Non Unique Name Attribute", V2_0
    OBJECT_DESTROYED = 0x00000036, "Object Destroyed", V2_0
    OBJECT_NOT_FOUND = 0x00000037, "Object Not Found", V2_0
    NOT_AUTHORISED = 0x00000039, "Not Authorised", V2_0
    SERVER_LIMIT_EXCEEDED = 0x0000003A, "Server Limit Exceeded", V2_0
    UNKNOWN_ENUMERATION = 0x0000003B, "Unknown Enumeration", V2_0
    UNKNOWN_MESSAGE_EXTENSION = 0x0000003C, "Unknown Message Extension", V2_0
    UNKNOWN_TAG = 0x0000003D, "Unknown Tag", V2_0
    UNSUPPORTED_CRYPTOGRAPHIC_PARAMETERS = 0x0000003E, "Unsupported Cryptographic Parameters", V2_0
    UNSUPPORTED_PROTOCOL_VERSION = 0x0000003F, "Unsupported Protocol Version", V2_0
    WRAPPING_OBJECT_ARCHIVED = 0x00000040, "Wrapping Object Archived", V2_0
    WRAPPING_OBJECT_DESTROYED = 0x00000041, "Wrapping Object Destroyed", V2_0
    WRAPPING_OBJECT_NOT_FOUND = 0x00000042, "Wrapping Object Not Found", V2_0
    WRONG_KEY_LIFECYCLE_STATE = 0x00000043, "Wrong Key Lifecycle State", V2_0
    PROTECTION_STORAGE_UNAVAILABLE = 0x00000044, "Protection Storage Unavailable", V2_0
    PKCS11_CODEC_ERROR = 0x00000045, "PKCS#11 Codec Error", V2_0
    PKCS11_INVALID_FUNCTION = 0x00000046, "PKCS#11 Invalid Function", V2_0
    PKCS11_INVALID_INTERFACE = 0x00000047, "PKCS#11 Invalid Interface", V2_0
    PRIVATE_PROTECTION_STORAGE_UNAVAILABLE = 0x00000048, "Private Protection Storage Unavailable", V2_0
    PUBLIC_PROTECTION_STORAGE_UNAVAILABLE = 0x00000049, "Public Protection Storage Unavailable", V2_0
    UNKNOWN_OBJECT_GROUP = 0x0000004A, "Unknown Object Group", V2_1
    CONSTRAINT_VIOLATION = 0x0000004B, "Constraint Violation", V2_1
    DUPLICATE_PROCESS_REQUEST = 0x0000004C, "Duplicate Process Request", V2_1
    GENERAL_FAILURE = 0x00000100, "General Failure", V1_0


class ResultStatus(Enumeration):
    """Result Status (KMIP 2.1 s11.47)."""

    SUCCESS = 0x00000000, "Success", V1_0
    OPERATION_FAILED = 0x00000001, "Operation Failed", V1_0
    OPERATION_PENDING = 0x00000002, "Operation Pending", V1_0
    OPERATION_UNDONE = 0x00000003, "Operation Undone", V1_0


class RevocationReasonCode(Enumeration):
    """Revocation Reason Code (KMIP 2.1 s11.48)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_0
    KEY_COMPROMISE = 0x00000002, "Key Compromise", V1_0
    CA_COMPROMISE = 0x00000003, "CA Compromise", V1_0
    AFFILIATION_CHANGED = 0x00000004, "Affiliation Changed", V1_0
    SUPERSEDED = 0x00000005, "Superseded", V1_0
    CESSATION_OF_OPERATION = 0x00000006, "Cessation of Operation", V1_0
    PRIVILEGE_WITHDRAWN = 0x00000007, "Privilege Withdrawn", V1_0


class RotateNameType(Enumeration):
    """Rotate Name Type (KMIP 2.1 s11.51)."""

    UNINTERPRETED_TEXT_STRING = 0x00000001, "Uninterpreted Text String", V2_1
    URI = 0x00000002, "URI", V2_1


class SecretDataType(Enumeration):
    """Secret Data Type (KMIP 2.1 s11.52)."""

    PASSWORD = 0x00000001, "Password", V1_0
    SEED = 0x00000002, "Seed", V1_0


class ShreddingAlgorithm(Enumeration):
    """Shredding Algorithm (KMIP 2.1 s11.53)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    CRYPTOGRAPHIC = 0x00000002, "Cryptographic", V1_3
    UNSUPPORTED = 0x00000003, "Unsupported", V1_3


class SplitKeyMethod(Enumeration):
    """Split Key Method (KMIP 2.1 s11.54)."""

    XOR = 0x00000001, "XOR", V1_0
    POLYNOMIAL_SHARING_GF_216 = 0x00000002, "Polynomial Sharing GF (216)", V1_0
    POLYNOMIAL_SHARING_PRIME_FIELD = 0x00000003, "Polynomial Sharing Prime Field", V1_0
    POLYNOMIAL_SHARING_GF_28 = 0x00000004, "Polynomial Sharing GF (28)", V1_2


class State(Enumeration):
    """State (KMIP 2.1 s11.55)."""

    PRE_ACTIVE = 0x00000001, "Pre-Active", V1_0
    ACTIVE = 0x00000002, "Active", V1_0
    DEACTIVATED = 0x00000003, "Deactivated", V1_0
    COMPROMISED = 0x00000004, "Compromised", V1_0
    DESTROYED = 0x00000005, "Destroyed", V1_0
    DESTROYED_COMPROMISED = 0x00000006, "Destroyed Compromised", V1_0


class StorageStatusMask(Mask):
    """Storage Status Mask (KMIP 2.1 s12.3)."""

    ON_LINE_STORAGE = 0x00000001, "On-line storage", V1_0
    ARCHIVAL_STORAGE = 0x00000002, "Archival storage", V1_0
    DESTROYED_STORAGE = 0x00000004, "Destroyed storage", V2_0


class TicketType(Enumeration):
    """Ticket Type (KMIP 2.1 s11.57)."""

    LOGIN = 0x00000001, "Login", V2_0


class UniqueIdentifier(Enumeration):
    """Unique Identifier (KMIP 2.1 s11.58)."""

    ID_PLACEHOLDER = 0x00000001, "ID Placeholder", V2_0
    CERTIFY = 0x00000002, "Certify", V2_0
    CREATE = 0x00000003, "Create", V2_0
    CREATE_KEY_PAIR = 0x00000004, "Create Key Pair", V2_0
    CREATE_KEY_PAIR_PRIVATE_KEY = 0x00000005, "Create Key Pair Private Key", V2_0
    CREATE_KEY_PAIR_PUBLIC_KEY = 0x00000006, "Create Key Pair Public Key", V2_0
    CREATE_SPLIT_KEY = 0x00000007, "Create Split Key", V2_0
    DERIVE_KEY = 0x00000008, "Derive Key", V2_0
    IMPORT = 0x00000009, "Import", V2_0
    JOIN_SPLIT_KEY = 0x0000000A, "Join Split Key", V2_0
    LOCATE = 0x0000000B, "Locate", V2_0
    REGISTER = 0x0000000C, "Register", V2_0
    RE_KEY = 0x0000000D, "Re-key", V2_0
    RE_CERTIFY = 0x0000000E, "Re-certify", V2_0
    RE_KEY_KEY_PAIR = 0x0000000F, "Re-key Key Pair", V2_0
    RE_KEY_KEY_PAIR_PRIVATE_KEY = 0x00000010, "Re-key Key Pair Private Key", V2_0
    RE_KEY_KEY_PAIR_PUBLIC_KEY = 0x00000011, "Re-key Key Pair Public Key", V2_0


class UnwrapMode(Enumeration):
    """Unwrap Mode (KMIP 2.1 s11.59)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    PROCESSED = 0x00000002, "Processed", V1_3
    NOT_PROCESSED = 0x00000003, "Not Processed", V1_3


class UsageLimitsUnit(Enumeration):
    """Usage Limits Unit (KMIP 2.1 s11.60)."""

    BYTE = 0x00000001, "Byte", V1_0
    OBJECT = 0x00000002, "Object", V1_0


class ValidationAuthorityType(Enumeration):
    """Validation Authority Type (KMIP 2.1 s11.63)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    NIST_CMVP = 0x00000002, "NIST CMVP", V1_3
    COMMON_CRITERIA = 0x00000003, "Common Criteria", V1_3


class ValidationType(Enumeration):
    """Validation Type (KMIP 2.1 s11.64)."""

    UNSPECIFIED = 0x00000001, "Unspecified", V1_3
    HARDWARE = 0x00000002, "Hardware", V1_3
    SOFTWARE = 0x00000003, "Software", V1_3
    FIRMWARE = 0x00000004, "Firmware", V1_3
    HYBRID = 0x00000005, "Hybrid", V1_3


class ValidityIndicator(Enumeration):
    """Validity Indicator (KMIP 2.1 s11.61)."""

    VALID = 0x00000001, "Valid", V1_0
    INVALID = 0x00000002, "Invalid", V1_0
    UNKNOWN = 0x00000003, "Unknown", V1_0


class WrappingMethod(Enumeration):
    """Wrapping Method (KMIP 2.1 s11.62)."""

    ENCRYPT = 0x00000001, "Encrypt", V1_0
    MAC_SIGN = 0x00000002, "MAC/sign", V1_0
    ENCRYPT_THEN_MAC_SIGN = 0x00000003, "Encrypt then MAC/sign", V1_0
    MAC_SIGN_THEN_ENCRYPT = 0x00000004, "MAC/sign then encrypt", V1_0
    TR_31 = 0x00000005, "TR-31", V1_0
