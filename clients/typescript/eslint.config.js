import js from "@eslint/js";
import { globalIgnores } from "eslint/config";
import ts from "typescript-eslint";

const testsAreStarted = { allowForKnownSafeCalls: [{ from: "package", package: "node:test", name: "test" }] };

export default ts.config(
    globalIgnores(["dist", ".test", "src/generated"]),
    js.configs.recommended,
    ts.configs.strictTypeChecked,
    {
        languageOptions: { parserOptions: { projectService: { allowDefaultProject: ["*.js", "*.mjs"] } } },
        rules: {
            "max-len": ["error", { code: 120 }],
            "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
            "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
        },
    },
    {
        files: ["*.js", "*.mjs"],
        extends: [ts.configs.disableTypeChecked],
        languageOptions: { globals: { process: "readonly", URL: "readonly" } },
    },
    {
        files: ["test/**"],
        rules: { "@typescript-eslint/no-floating-promises": ["error", testsAreStarted] },
    },
    {
        // Values that are there for their types, and calls that are wrong on purpose.
        files: ["test/types.ts"],
        rules: {
            "@typescript-eslint/no-confusing-void-expression": "off",
            "@typescript-eslint/no-unnecessary-type-parameters": "off",
            "@typescript-eslint/no-unsafe-call": "off",
            "@typescript-eslint/no-unused-vars": "off",
        },
    },
);
