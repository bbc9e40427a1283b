"""Forms and answers: FHIR R4 Questionnaires in immutable versions, their logic, scores, rules, and the answers given.

Questionnaire 问卷, QuestionnaireResponse 答卷, AnswerFact 答案明细, Finding 判定.
"""
